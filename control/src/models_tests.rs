//! Which tables are taken, and what they mean.

use super::*;

fn usual() -> Providers {
    known(&"https://api.anthropic.com".parse().unwrap(), &"https://api.openai.com/v1".parse().unwrap())
}

fn parse(text: &str) -> anyhow::Result<Models> {
    Models::parse(text, usual())
}

#[test]
fn the_first_model_is_the_default_and_each_is_found_by_its_name() {
    let models = parse(r#"{"models":[{"name":"large"},{"name":"small","max_tokens":8000}]}"#).unwrap();

    assert_eq!(models.default().name, "large");
    assert_eq!(models.get("small").map(|model| model.max_tokens), Some(8_000));
    assert_eq!(models.get("other"), None);
}

#[test]
fn a_model_is_spoken_to_as_its_provider_speaks() {
    let models = parse(
        r#"{"providers":[{"name":"house","base_url":"https://llm.example.org/v1","needs_key":false}],
            "models":[{"name":"a"},{"name":"b","provider":"openai"},{"name":"c","id":"c:70b","provider":"house"}]}"#,
    )
    .unwrap();

    let spoken = |name: &str| models.get(name).map(|model| (model.api, model.computer, model.thinks)).unwrap();

    assert_eq!(spoken("a"), (ModelApi::AnthropicMessages, ComputerTool::Toolset20260801, true));
    assert_eq!(spoken("b"), (ModelApi::OpenaiResponses, ComputerTool::Computer, true));
    assert_eq!(spoken("c"), (ModelApi::OpenaiChat, ComputerTool::Functions, false));
    assert_eq!(models.get("c").unwrap().id, "c:70b");
    let named: Vec<String> = models.providers().iter().map(|provider| provider.name.to_string()).collect();
    assert_eq!(named, ["anthropic", "house", "openai"]);
}

#[test]
fn a_table_that_cannot_be_meant_is_refused() {
    let house = |members: &str| format!(r#"{{"providers":[{{"name":"house",{members}}}],"models":[{{"name":"a"}}]}}"#);
    for (text, said) in [
        (r#"{"models":[]}"#.to_owned(), "at least one"),
        (r#"{"models":[{"name":"a"},{"name":"a"}]}"#.to_owned(), "twice"),
        (r#"{"models":[{"name":""}]}"#.to_owned(), "printable"),
        (r#"{"models":[{"name":"a","max_tokens":0}]}"#.to_owned(), "max_tokens"),
        (r#"{"models":[{"name":"a","compact_at":1}]}"#.to_owned(), "compact_at"),
        (r#"{"models":[{"name":"a","colour":1}]}"#.to_owned(), "colour"),
        (r#"{"models":[{"name":"a","provider":"house"}]}"#.to_owned(), "does not name"),
        (r#"{"models":[{"name":"a","computer":"functions"}]}"#.to_owned(), "anthropic takes computer_toolset"),
        (r#"[{"name":"a"}]"#.to_owned(), "object"),
        (house(r#""base_url":"ftp://example.org""#), "http or https"),
        (house(r#""base_url":"https://me:secret@example.org""#), "host and path alone"),
        (house(r#""base_url":"http://10.0.0.1:8000/v1""#), "allow_private"),
        (house(r#""base_url":"http://[::ffff:127.0.0.1]/v1""#), "allow_private"),
        (house(r#""base_url":"http://localhost:11434/v1""#), "allow_private"),
    ] {
        let error = format!("{:#}", parse(&text).unwrap_err());
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn an_address_inside_takes_the_operators_word() {
    let text = r#"{"providers":[{"name":"house","base_url":"http://10.0.0.1:8000/v1/","allow_private":true}],"models":[{"name":"a"}]}"#;

    let models = parse(text).unwrap();

    let house = models.provider(&"house".parse().unwrap()).unwrap();
    assert_eq!((house.allow_private, house.url("/models").as_str()), (true, "http://10.0.0.1:8000/v1/models"));
    assert!(!models.provider(&ProviderName::openai()).unwrap().allow_private);
}

#[test]
fn a_file_that_cannot_be_read_is_named_in_the_error() {
    let error = format!("{:#}", Models::read(Path::new("/nowhere/models.json"), usual()).unwrap_err());

    assert!(error.contains("/nowhere/models.json") && error.contains("CLOUDBOT_MODELS"), "{error}");
}
