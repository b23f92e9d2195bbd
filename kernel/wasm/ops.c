/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/wasm/ops.h"

#define ROW(code) (((code)&0xff) | ((code)&0x8000) >> 7)

const struct op_info op_infos[OP_INFOS] = {
#define OP(code, name, text, imm, sig, gas) [ROW(code)] = {text, sig, code, gas, IMM_##imm},
#include "kernel/wasm/ops.def"
#undef OP
};
