//! Names of keys, as a model wrote them.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;
use sidecar::desk::input::key_names;

thread_local! {
    static NAMES: LazyCell<Box<dyn Fn(&str) -> usize>> = LazyCell::new(|| Box::new(key_names()));
}

fuzz_target!(|text: &str| {
    let keys = NAMES.with(|names| names(text));
    assert!(keys <= 100 * 8, "{keys} keys at once");
});
