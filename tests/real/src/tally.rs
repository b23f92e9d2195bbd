// SPDX-License-Identifier: Apache-2.0
// Rust without an operating system (Debian ships wasm32-unknown-unknown): a
// library that is called through its exports, and one that panics.
#![no_main]
use std::collections::BTreeMap;

#[no_mangle]
pub extern "C" fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How many different lengths the words of `n` in a small alphabet have, summed by weight.
#[no_mangle]
pub extern "C" fn tally(n: i32) -> i64 {
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    for i in 0..n {
        *seen.entry(format!("{:x}", i * 7919 % 4096)).or_insert(0) += i as i64;
    }
    seen.iter().map(|(word, sum)| word.len() as i64 * sum).sum()
}

#[no_mangle]
pub extern "C" fn half(x: f64) -> f64 {
    x / 2.0
}

#[no_mangle]
pub extern "C" fn at(index: i32) -> i32 {
    let numbers = vec![10, 20, 30];
    numbers[index as usize]
}
