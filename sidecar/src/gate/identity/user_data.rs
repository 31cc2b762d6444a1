//! What a VM is born with, read from its file.

use std::{io::Read, path::Path};

use anyhow::{Context, bail};
use protocol::vm::UserData;

/// EC2 gives no more than this.
const MAX: u64 = 16 << 10;

/// Reads user-data; an error says which file and what is wrong with it, never what stands in it.
pub fn read(path: &Path) -> anyhow::Result<UserData> {
    let file = std::fs::File::open(path).with_context(|| format!("open the user-data {}", path.display()))?;
    let mut text = String::new();
    file.take(MAX + 1).read_to_string(&mut text).with_context(|| format!("read the user-data {}", path.display()))?;
    if text.len() as u64 > MAX {
        bail!("the user-data {} is larger than {MAX} bytes", path.display());
    }
    match serde_json::from_str(&text) {
        Ok(user_data) => Ok(user_data),
        // serde's own message may quote the token.
        Err(error) => bail!(
            "the user-data {} is not what a VM needs (line {}, column {}): launch the VM again",
            path.display(),
            error.line(),
            error.column()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_refused_without_showing_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user-data");
        std::fs::write(&path, r#"{"vm_id": "secret-token-here", "enrolment_token": "secret-token-here"}"#).unwrap();

        let refused = format!("{:#}", read(&path).err().unwrap());

        assert!(refused.contains("user-data") && !refused.contains("secret"), "{refused}");
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        let refused = read(Path::new("/dev/zero")).err().unwrap().to_string();

        assert!(refused.contains("larger"), "{refused}");
    }
}
