// SPDX-License-Identifier: Apache-2.0
// Rust through the gate: a number as a key, its own meter, and an order too many.
#![no_main]
include!("../../../caps/guest.rs");

const METER: i32 = 1;
const BANK: i32 = 2;
const BANK_NUMBER: u32 = 4;
const NUMBER_GET: u32 = 1;
const METER_STATUS: u32 = 6;
const KEPT: i32 = 40;

/// The number, there and back as a key; -1 and the answer when the gate says no.
#[no_mangle]
pub extern "C" fn number(n: i64) -> i64 {
    let mut m = Message::new();
    m.word[0] = n as u64;
    m.receive[0] = KEPT;
    let rc = call(BANK, BANK_NUMBER, &mut m);
    if rc != 0 {
        return -1 - rc as i64;
    }
    m = Message::new();
    let rc = call(KEPT, NUMBER_GET, &mut m);
    if rc == 0 { m.word[0] as i64 } else { -1 - rc as i64 }
}

/// Whether it used gas between two looks at its own meter.
#[no_mangle]
pub extern "C" fn used() -> i32 {
    let (mut first, mut second) = (Message::new(), Message::new());
    (call(METER, METER_STATUS, &mut first) == 0
        && call(METER, METER_STATUS, &mut second) == 0
        && second.word[1] > first.word[1]) as i32
}

/// What a key answers to an order that it does not know.
#[no_mangle]
pub extern "C" fn unknown() -> i32 {
    call(BANK, 999, &mut Message::new()) as i32
}
