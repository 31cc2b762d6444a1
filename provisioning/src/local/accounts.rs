//! The kernel uids of a desktop. They have no entry in the system's user database and need none.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use anyhow::{Context, ensure};
use nix::unistd::Uid;
use protocol::DesktopId;
use serde::{Deserialize, Serialize};

use super::registry::{self, DesktopDir, Registry};

/// Who the processes of a desktop are to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accounts {
    /// X, session, desk and all that the agent starts; owns the home.
    pub(crate) desktop: u32,
    /// The gate; owns the VM's key.
    pub(crate) gate: u32,
}

/// Above the ranges that distributions hand out to users, containers and `/etc/subuid`.
const FIRST: u32 = 1_900_000_000;
const PAIRS: u32 = 100_000_000;

impl Accounts {
    /// The accounts of this desktop, the same for all of its VMs. Root gives each desktop two uids of
    /// its own; a developer has only one to give.
    pub(crate) fn of(registry: &Registry, dir: &DesktopDir, desktop: &DesktopId) -> anyhow::Result<Self> {
        let me = Uid::effective();
        if let Some(known) = registry::read::<Self>(&dir.accounts())? {
            ensure!(
                me.is_root() == known.are_separate() && (me.is_root() || known.desktop == me.as_raw()),
                "the home {} belongs to uid {}, and control runs as uid {me}: run it as the user that made this desktop, \
                 or use another data folder (CLOUDBOT_DATA)",
                dir.home().display(),
                known.desktop
            );
            return Ok(known);
        }
        let accounts = if me.is_root() {
            Self::free(registry, desktop)?
        } else {
            Self { desktop: me.as_raw(), gate: me.as_raw() }
        };
        registry::write(&dir.accounts(), &accounts)?;
        Ok(accounts)
    }

    /// Must the processes change their uid to get it?
    pub(crate) fn are_separate(self) -> bool {
        self.desktop != self.gate
    }

    /// A pair drawn by the desktop's id, so that two data folders on one machine hardly ever share one.
    fn free(registry: &Registry, desktop: &DesktopId) -> anyhow::Result<Self> {
        let mut taken = BTreeSet::new();
        for other in registry.desktops()? {
            let known = registry::read::<Self>(&other.accounts()).context("read the accounts of the other desktops")?;
            taken.extend(known.map(|accounts| accounts.desktop));
        }
        let mut hasher = DefaultHasher::new();
        desktop.as_str().hash(&mut hasher);
        let mut pair = u32::try_from(hasher.finish() % u64::from(PAIRS)).context("draw a uid")?;
        while taken.contains(&(FIRST + 2 * pair)) {
            pair = (pair + 1) % PAIRS;
        }
        Ok(Self { desktop: FIRST + 2 * pair, gate: FIRST + 2 * pair + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_keeps_its_accounts_and_shares_them_with_none() {
        let data = tempfile::tempdir().unwrap();
        let registry = Registry::new(data.path());
        let ids = [DesktopId::generate(), DesktopId::generate()];
        let of = |id: &DesktopId| {
            registry.desktop(id).create().unwrap();
            Accounts::of(&registry, &registry.desktop(id), id).unwrap()
        };

        let [one, other] = [of(&ids[0]), of(&ids[1])];

        assert_eq!(one, of(&ids[0]));
        if Uid::effective().is_root() {
            let distinct: BTreeSet<_> = [one.desktop, one.gate, other.desktop, other.gate].into();
            assert_eq!(distinct.len(), 4);
        } else {
            assert_eq!(one, other);
        }
    }

    #[test]
    fn a_uid_that_is_taken_is_passed_over() {
        let data = tempfile::tempdir().unwrap();
        let registry = Registry::new(data.path());
        let (id, other) = (DesktopId::generate(), DesktopId::generate());
        let drawn = Accounts::free(&registry, &id).unwrap();
        registry.desktop(&other).create().unwrap();
        registry::write(&registry.desktop(&other).accounts(), &drawn).unwrap();

        let next = Accounts::free(&registry, &id).unwrap();

        assert_ne!(next.desktop, drawn.desktop);
    }
}
