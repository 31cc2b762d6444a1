//! What a server offers, cut to what a model's provider takes. Nothing that a server says of itself is trusted. Pure.

use std::collections::HashSet;

use protocol::mcp::McpTool;
use serde_json::{Map, Value, json};

use super::names;

/// Of one server.
pub const MAX_TOOLS: usize = 128;
const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 4_000;
const MAX_SCHEMA: usize = 64 << 10;
/// At the top of a schema no provider takes these.
const CHOICES: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// A tool of a server, and what the model calls it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    pub called: String,
    pub tool: McpTool,
}

/// The tools that can be used, sorted by name; and for the log what of the list cannot be, or not as it is.
pub fn take(server: &str, listed: Vec<McpTool>) -> (Vec<Offered>, Vec<String>) {
    let mut remarks = Vec::new();
    let (mut tools, mut seen) = (Vec::new(), HashSet::new());
    for tool in listed {
        let shown: String = tool.name.chars().take(100).collect();
        if tools.len() == MAX_TOOLS {
            remarks.push(format!("more than {MAX_TOOLS} tools: the rest is left out, from '{shown}' on"));
            break;
        }
        match fit(tool, &mut remarks) {
            Ok(tool) if seen.insert(tool.name.clone()) => tools.push(tool),
            Ok(_) => remarks.push(format!("the tool '{shown}' is listed twice: the second is left out")),
            Err(why) => remarks.push(format!("the tool '{shown}' is left out: {why}")),
        }
    }
    let names = names::names(server, &tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>());
    let mut offered: Vec<Offered> =
        names.into_iter().zip(tools).map(|(called, tool)| Offered { called, tool }).collect();
    offered.sort_by(|one, other| one.called.cmp(&other.called));
    offered.dedup_by(|one, other| one.called == other.called);
    (offered, remarks)
}

fn fit(tool: McpTool, remarks: &mut Vec<String>) -> Result<McpTool, String> {
    let McpTool { name, description, input_schema } = tool;
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("a name has 1 to {MAX_NAME} bytes"));
    }
    let size = input_schema.to_string().len();
    if size > MAX_SCHEMA {
        return Err(format!("its schema has {size} bytes, and {MAX_SCHEMA} are taken"));
    }
    let Value::Object(mut schema) = input_schema else { return Err("its schema is no object".to_owned()) };
    match schema.get("type") {
        Some(kind) if kind == "object" => {}
        None => drop(schema.insert("type".to_owned(), json!("object"))),
        Some(_) => return Err("its schema is not that of an object".to_owned()),
    }
    if let Some(name) = properties(&schema).find(|name| !is_plain(name)) {
        return Err(format!("no model's provider takes the name of its input {:?}", short(name)));
    }
    for choice in CHOICES {
        if schema.remove(choice).is_some() {
            remarks.push(format!("the tool '{}': models are not told of `{choice}` in its schema", short(&name)));
        }
    }
    let description = description.chars().take(MAX_DESCRIPTION).collect();
    Ok(McpTool { name, description, input_schema: Value::Object(schema) })
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = &String> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys)
}

fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, input_schema: Value) -> McpTool {
        McpTool { name: name.to_owned(), description: "x".repeat(5_000), input_schema }
    }

    #[test]
    fn tools_are_sorted_by_what_they_are_called_and_their_words_are_cut() {
        let (offered, remarks) = take("s", vec![tool("b", json!({"type": "object"})), tool("a", json!({}))]);

        assert_eq!(offered.iter().map(|o| o.called.as_str()).collect::<Vec<_>>(), ["mcp__s__a", "mcp__s__b"]);
        assert_eq!(offered[0].tool.input_schema, json!({"type": "object"}));
        assert!(offered.iter().all(|o| o.tool.description.len() == 4_000));
        assert!(remarks.is_empty());
    }

    #[test]
    fn what_would_make_a_provider_refuse_the_whole_request_is_left_out_and_said() {
        let large = json!({"type": "object", "description": "x".repeat(65 << 10)});
        let (offered, remarks) = take(
            "s",
            vec![
                tool("good", json!({"type": "object", "anyOf": [{}], "oneOf": [{}], "allOf": [{}]})),
                tool("good", json!({})),
                tool("large", large),
                tool("list", json!({"type": "array"})),
                tool("none", Value::Null),
                tool("named", json!({"properties": {"a b": {}}})),
                tool("endless", json!({"properties": {"x".repeat(65): {}}})),
                tool("", json!({})),
                tool(&"x".repeat(201), json!({})),
            ],
        );

        assert_eq!(offered.iter().map(|o| o.tool.name.as_str()).collect::<Vec<_>>(), ["good"]);
        assert_eq!(offered[0].tool.input_schema, json!({"type": "object"}));
        assert_eq!(remarks.len(), 11, "{remarks:#?}");
    }

    #[test]
    fn what_is_just_within_bounds_is_offered_as_it_is() {
        let room = MAX_SCHEMA - json!({"type": "object", "description": ""}).to_string().len();
        let schema = json!({"type": "object", "description": "x".repeat(room)});
        let (name, input) = ("x".repeat(MAX_NAME), json!({"type": "object", "properties": {"x".repeat(64): {}}}));

        let (offered, remarks) = take("s", vec![tool("large", schema.clone()), tool(&name, input.clone())]);

        let schemas: Vec<&Value> = offered.iter().map(|o| &o.tool.input_schema).collect();
        assert_eq!((schemas, remarks.len()), (vec![&schema, &input], 0), "{remarks:?}");
    }

    #[test]
    fn a_server_has_128_tools_at_most() {
        let many = (0..200).map(|n| tool(&format!("t{n:03}"), json!({}))).collect();

        let (offered, remarks) = take("s", many);

        assert_eq!(offered.len(), 128);
        assert!(remarks[0].contains("from 't128' on"), "{remarks:?}");
    }
}
