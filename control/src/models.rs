//! The operator's model table: which models sessions may choose, read once at the start.

use std::{collections::HashSet, path::Path};

use anyhow::{Context, ensure};
use protocol::model::Model;

/// At least one model, each under a name of its own.
#[derive(Debug, Clone)]
pub struct Models(Vec<Model>);

impl Models {
    /// A JSON file with an array of models; the first is the default.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let tried = || format!("read the model table {} (CLOUDBOT_MODELS)", path.display());
        let text = std::fs::read_to_string(path).with_context(tried)?;
        Self::parse(&text).with_context(tried)
    }

    /// The one model of this name, of which nothing else is told.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        Self::of(vec![Model::named(name)])
    }

    /// These, if they can be a table.
    pub fn of(models: Vec<Model>) -> anyhow::Result<Self> {
        ensure!(!models.is_empty(), "the table must have at least one model");
        let mut names = HashSet::new();
        for model in &models {
            let name = &model.name;
            let readable = (1..=200).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
            ensure!(readable, "a model's name has 1 to 200 printable ASCII characters without spaces, not {name:?}");
            ensure!(names.insert(name), "{name} stands there twice");
            ensure!(model.max_tokens > 0, "max_tokens of {name} must be at least 1");
        }
        Ok(Self(models))
    }

    pub fn all(&self) -> &[Model] {
        &self.0
    }

    /// What answers where nothing is chosen.
    pub fn default(&self) -> &Model {
        &self.0[0]
    }

    pub fn get(&self, name: &str) -> Option<&Model> {
        self.0.iter().find(|model| model.name == name)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        Self::of(serde_json::from_str(text).context("it must be a JSON array of models")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_model_is_the_default_and_each_is_found_by_its_name() {
        let models = Models::parse(r#"[{"name":"large"},{"name":"small","max_tokens":8000}]"#).unwrap();

        assert_eq!(models.default().name, "large");
        assert_eq!(models.get("small").map(|model| model.max_tokens), Some(8_000));
        assert_eq!(models.get("other"), None);
    }

    #[test]
    fn a_table_that_says_nothing_or_the_same_twice_is_refused() {
        for (text, said) in [
            ("[]", "at least one"),
            (r#"[{"name":"a"},{"name":"a"}]"#, "twice"),
            (r#"[{"name":""}]"#, "printable"),
            (r#"[{"name":"a","max_tokens":0}]"#, "max_tokens"),
            (r#"[{"name":"a","colour":1}]"#, "colour"),
            (r#"{"name":"a"}"#, "array"),
        ] {
            let error = format!("{:#}", Models::parse(text).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_in_the_error() {
        let error = format!("{:#}", Models::read(Path::new("/nowhere/models.json")).unwrap_err());

        assert!(error.contains("/nowhere/models.json") && error.contains("CLOUDBOT_MODELS"), "{error}");
    }
}
