//! The fence's own `/etc`: one user, one host name, and settings without which a first start would ask questions.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::fence::inside;

/// Writes the files into `folder`; answers their names.
pub(crate) fn write(folder: &Path, uid: u32, machine: &str) -> io::Result<Vec<PathBuf>> {
    let files = files(uid, machine);
    for (name, text) in &files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(files.into_iter().map(|(name, _)| PathBuf::from(name)).collect())
}

fn files(uid: u32, machine: &str) -> Vec<(&'static str, String)> {
    let (home, host) = (inside::HOME, inside::HOSTNAME);
    vec![
        (
            "passwd",
            format!(
                "user:x:{uid}:{uid}:User:{home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("group", format!("user:x:{uid}:\nnogroup:x:65534:\n")),
        ("hostname", format!("{host}\n")),
        ("hosts", format!("127.0.0.1 localhost {host}\n::1 localhost\n")),
        // slirp4netns answers here, and asks whom the host asks.
        ("resolv.conf", "nameserver 10.0.2.3\n".to_owned()),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n".to_owned(),
        ),
        ("machine-id", format!("{machine}\n")),
        ("bash.bashrc", include_str!("session/files/bashrc").to_owned()),
        ("chromium.d/cloudbot", include_str!("session/files/chromium-flags").to_owned()),
        ("gtk-3.0/settings.ini", include_str!("session/files/gtk3.ini").to_owned()),
        ("profile", "[ -z \"${BASH-}\" ] || . /etc/bash.bashrc\n".to_owned()),
    ]
}
