//! Named points at which the process can be made to die, so that tests can prove that it does not matter.
//!
//! In a debug build, `LAKEWIRE_CRASH_AT=<point>[:<n>]` kills the process the n-th time (from 1) it comes to that point, as SIGKILL
//! would: nothing is flushed, no destructor runs. `LAKEWIRE_STORE_FAULTS=<plan>` puts a store that fails before the lake (`lake::fault_store`).
//! A release build never looks.

/// Every point that the job of a pipeline comes to, in the order in which an epoch passes them.
pub const CRASH_POINTS: &[&str] = &[
    TABLE_EVOLVED,
    EPOCH_FILES_WRITTEN,
    EPOCH_SEALED,
    EPOCH_DECIDED,
    EPOCH_TARGET_PUBLISHED,
    EPOCH_PUBLISHED,
    EPOCH_ACKNOWLEDGED,
    SOURCE_COLUMNS_SAVED,
];

/// Every point that the job of a materialized view comes to.
pub const VIEW_CRASH_POINTS: &[&str] = &[
    VIEW_TICK_COMPUTED,
    VIEW_TICK_PUBLISHED,
    VIEW_STATE_WRITTEN,
    EPOCH_FILES_WRITTEN,
    EPOCH_SEALED,
    EPOCH_DECIDED,
    EPOCH_TARGET_PUBLISHED,
    EPOCH_PUBLISHED,
    EPOCH_ACKNOWLEDGED,
];

/// A tick is in the operators' state; no reader sees it.
pub const VIEW_TICK_COMPUTED: &str = "view-tick-computed";
/// Readers see a tick that no epoch has.
pub const VIEW_TICK_PUBLISHED: &str = "view-tick-published";
/// The state objects of the epoch exist and no manifest names them.
pub const VIEW_STATE_WRITTEN: &str = "view-state-written";
/// The target table has got its new columns; no row has them yet.
pub const TABLE_EVOLVED: &str = "table-evolved";
/// The Parquet files of the epoch exist and nothing names them.
pub const EPOCH_FILES_WRITTEN: &str = "epoch-files-written";
/// Everything the manifest will name exists.
pub const EPOCH_SEALED: &str = "epoch-sealed";
/// The manifest exists: the epoch is committed, and no table shows it.
pub const EPOCH_DECIDED: &str = "epoch-decided";
/// The target table shows the epoch, `lakewire.rejects` does not.
pub const EPOCH_TARGET_PUBLISHED: &str = "epoch-target-published";
/// All tables show the epoch.
pub const EPOCH_PUBLISHED: &str = "epoch-published";
/// The sources were told and old manifests are gone.
pub const EPOCH_ACKNOWLEDGED: &str = "epoch-acknowledged";
/// A source's new columns are in the catalog; no batch that has them was handed out.
pub const SOURCE_COLUMNS_SAVED: &str = "source-columns-saved";

/// Dies here if the environment asks for it.
#[inline]
pub fn crash_point(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// The plan of the lake's faults, if the environment asks for any.
#[allow(clippy::disallowed_methods)]
pub fn store_faults() -> Option<String> {
    cfg!(debug_assertions).then(|| std::env::var("LAKEWIRE_STORE_FAULTS").ok()).flatten()
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Armed {
        point: String,
        left: AtomicU64,
    }

    #[allow(clippy::disallowed_methods)]
    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let setting = std::env::var("LAKEWIRE_CRASH_AT").ok()?;
        let (point, nth) = setting.split_once(':').unwrap_or((&setting, "1"));
        assert!(
            super::CRASH_POINTS.contains(&point) || super::VIEW_CRASH_POINTS.contains(&point),
            "LAKEWIRE_CRASH_AT names no crash point: {point}"
        );
        Some(Armed { point: point.to_string(), left: AtomicU64::new(nth.parse().expect("LAKEWIRE_CRASH_AT counts from 1")) })
    });

    pub fn pass(name: &str) {
        let Some(armed) = ARMED.as_ref().filter(|armed| armed.point == name) else { return };
        if armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            eprintln!("crash point {name}");
            std::process::abort();
        }
    }
}
