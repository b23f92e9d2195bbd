// SPDX-License-Identifier: Apache-2.0
// AssemblyScript: a class, an array, a map and string work through the WASI shim.
class Sieve {
  private marks: Uint8Array;
  constructor(private limit: i32) {
    this.marks = new Uint8Array(limit + 1);
  }
  primes(): i32[] {
    const found: i32[] = [];
    for (let i = 2; i <= this.limit; i++) {
      if (this.marks[i]) continue;
      found.push(i);
      for (let j = i * i; j <= this.limit; j += i) this.marks[j] = 1;
    }
    return found;
  }
}

const found = new Sieve(1000).primes();
const endings = new Map<i32, i32>();
for (let i = 0; i < found.length; i++) {
  const last = found[i] % 10;
  endings.set(last, (endings.has(last) ? endings.get(last) : 0) + 1);
}
console.log("primes to 1000: " + found.length.toString() + ", last " + found[found.length - 1].toString());
const keys = endings.keys().sort((a, b) => a - b);
for (let i = 0; i < keys.length; i++) {
  console.log("ending in " + keys[i].toString() + ": " + endings.get(keys[i]).toString());
}
