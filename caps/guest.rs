// SPDX-License-Identifier: Apache-2.0
// guest.rs - the gate as a Rust guest sees it: `include!` or copy it. Orders,
// answers and the slots a program begins with have the numbers of guest.h;
// docs/guest.md says what each does.

pub const NONE: i32 = -1;
pub const SLOTS: i32 = -1;

#[repr(C)]
pub struct Message {
    pub word: [u64; 4],
    pub badge: u64,
    pub text: *const u8,
    pub text_bytes: u32,
    pub room_at: *mut u8,
    pub room: u32,
    pub got: u32,
    pub rc: u32,
    pub send: [i32; 4],
    pub receive: [i32; 4],
}

const _: () = assert!(core::mem::size_of::<Message>() == 96);

impl Message {
    pub fn new() -> Message {
        Message {
            word: [0; 4], badge: 0, text: core::ptr::null(), text_bytes: 0,
            room_at: core::ptr::null_mut(), room: 0, got: 0, rc: 0,
            send: [NONE; 4], receive: [NONE; 4],
        }
    }
}

pub mod gate {
    use super::Message;

    #[link(wasm_import_module = "keyhold")]
    extern "C" {
        pub fn call(slot: i32, order: u32, message: *mut Message) -> u32;
        pub fn send(slot: i32, order: u32, message: *mut Message) -> u32;
        pub fn reply_wait(slot: i32, message: *mut Message) -> u32;
        #[link_name = "yield"]
        pub fn yield_(word: u64) -> u64;
    }
}

/// Invokes the key in the slot and waits for its answer, which is in the message.
pub fn call(slot: i32, order: u32, message: &mut Message) -> u32 {
    unsafe { gate::call(slot, order, message) }
}
