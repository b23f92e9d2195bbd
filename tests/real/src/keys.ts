// SPDX-License-Identifier: Apache-2.0
// AssemblyScript through the gate: a number as a key, and an empty slot.
import { Message } from "./guest";

const BANK = 2, BANK_NUMBER = 4, NUMBER_GET = 1, KEPT = 40;

export function number(n: i64): i64 {
  let m = new Message();
  m.setWord(0, <u64>n);
  m.receive(0, KEPT);
  let rc = m.call(BANK, BANK_NUMBER);
  if (rc) return -1 - <i64>rc;
  m = new Message();
  rc = m.call(KEPT, NUMBER_GET);
  return rc ? -1 - <i64>rc : <i64>m.word(0);
}

export function empty(): i32 {
  return <i32>new Message().call(4000, NUMBER_GET);
}
