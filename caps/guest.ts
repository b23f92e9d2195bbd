// SPDX-License-Identifier: Apache-2.0
// guest.ts - the gate as an AssemblyScript guest sees it: import it, or copy it.
// Orders, answers and the slots a program begins with have the numbers of
// guest.h; docs/guest.md says what each does.

@external("keyhold", "call")
declare function gate_call(slot: i32, order: u32, message: usize): u32;
@external("keyhold", "send")
declare function gate_send(slot: i32, order: u32, message: usize): u32;
@external("keyhold", "reply_wait")
declare function gate_reply_wait(slot: i32, message: usize): u32;
@external("keyhold", "yield")
export declare function yield_(word: u64): u64;

export const NONE: i32 = -1;
export const SLOTS: i32 = -1;

// 96 bytes, as the kernel reads them.
export class Message {
  private bytes: StaticArray<u8> = new StaticArray<u8>(96);
  constructor() {
    for (let i = 0; i < 4; i++) {
      this.send(i, NONE);
      this.receive(i, NONE);
    }
  }
  private at(offset: usize): usize { return changetype<usize>(this.bytes) + offset; }
  word(i: i32): u64 { return load<u64>(this.at(8 * i)); }
  setWord(i: i32, value: u64): void { store<u64>(this.at(8 * i), value); }
  badge(): u64 { return load<u64>(this.at(32)); }
  setText(at: usize, bytes: u32): void { store<u32>(this.at(40), <u32>at); store<u32>(this.at(44), bytes); }
  setRoom(at: usize, bytes: u32): void { store<u32>(this.at(48), <u32>at); store<u32>(this.at(52), bytes); }
  got(): u32 { return load<u32>(this.at(56)); }
  setRc(rc: u32): void { store<u32>(this.at(60), rc); }
  send(i: i32, slot: i32): void { store<i32>(this.at(64 + 4 * i), slot); }
  receive(i: i32, slot: i32): void { store<i32>(this.at(80 + 4 * i), slot); }

  // Invokes the key in the slot and waits for its answer, which is in here.
  call(slot: i32, order: u32): u32 { return gate_call(slot, order, this.at(0)); }
  post(slot: i32, order: u32): u32 { return gate_send(slot, order, this.at(0)); }
  replyWait(slot: i32): u32 { return gate_reply_wait(slot, this.at(0)); }
}
