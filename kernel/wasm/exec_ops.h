/* SPDX-License-Identifier: Apache-2.0 */
/* exec_ops.h - what each instruction of slot code does. Included by exec_fast.c
 * and exec_switch.c, which say what OP, NEXT and the rest are:
 *
 *   OP(name) { ... }     the body of CODE_name; ip, fp, mem, gas, m in scope, and
 *                        acc and dacc, which pass from one to the next
 *   NEXT                 on to ip + 1
 *   ENTER_BLOCK(t)       charge the `gas` instruction t, go on behind it
 *   GO(t)                on to t, uncharged
 *   SLOW(function)       save, call it, go on or stop as it answers
 *   PLAIN_LOOP           before a loop that is short: not to be unrolled
 *   TRAPS(trap)          stop for good
 *
 * Bodies read all operands before they write d: d may be one of them. */

/* What code.def says of each form: is its accumulator the one of doubles? */
enum {
#define CODE(name)
#define MAKES(name, kind)              OUT_##name##_IS_DOUBLE = ACC_##kind == ACC_DOUBLE,
#define TAKES(name, operand, kind, to) IN_##to##_IS_DOUBLE = ACC_##kind == ACC_DOUBLE,
#include "kernel/wasm/code.def"
};
/* The operand out of the accumulator; the result into it, and home. */
#define IN(form) (IN_##form##_IS_DOUBLE ? f64_bits(dacc) : acc)
#define OUT(form, value)                                                                       \
	do {                                                                                   \
		const uint64_t out = (value);                                                  \
                                                                                               \
		if (OUT_##form##_IS_DOUBLE)                                                    \
			dacc = f64_of(out);                                                    \
		else                                                                           \
			acc = out;                                                             \
		D = out;                                                                       \
	} while (0)

#define A    fp[ip->a]
#define B    fp[ip->b]
#define D    fp[ip->d]
#define A32  ((uint32_t)A)
#define B32  ((uint32_t)B)
#define BY(i, bytes) ((const struct insn *)(const void *)((const char *)(i) + (bytes)))
#define TARGET       BY(ip, (int32_t)ip->lo)

/* --- control ---------------------------------------------------------------- */

OP(exit)
{
	SLOW(slow_exit);
}
OP(link_return)
{
	SLOW(slow_link_return);
}
OP(try_return)
{
	SLOW(slow_try_return);
}
OP(gas)
{
	ENTER_BLOCK(ip);
}
OP(enter) /* never run: a call reads it */
{
	TRAPS(TRAP_UNREACHABLE);
}
OP(data)
{
	TRAPS(TRAP_UNREACHABLE);
}
OP(mov)
{
	D = A;
	NEXT;
}
OP(const)
{
	D = ip->imm;
	NEXT;
}
OP(br)
{
	ENTER_BLOCK(TARGET);
}
#define BR_IF(form, condition)                                                                 \
	OP(form)                                                                               \
	{                                                                                      \
		if (condition)                                                                 \
			ENTER_BLOCK(TARGET);                                                   \
		ENTER_BLOCK(ip + 1);                                                           \
	}
BR_IF(br_if, A32)
BR_IF(br_if_a, (uint32_t)IN(br_if_a))
BR_IF(br_unless, !A32)
BR_IF(br_unless_a, !(uint32_t)IN(br_unless_a))
OP(skip_unless)
{
	if (!A32)
		ENTER_BLOCK(TARGET);
	NEXT;
}
#define BR_TABLE(form, index)                                                                  \
	OP(form)                                                                               \
	{                                                                                      \
		const uint32_t i = (uint32_t)(index);                                          \
		const struct insn *t = ip + 1 + (i < ip->lo ? i : ip->lo);                     \
                                                                                               \
		ENTER_BLOCK(BY(t, (int32_t)t->lo));                                            \
	}
BR_TABLE(br_table, A)
BR_TABLE(br_table_a, IN(br_table_a))
OP(br_table_moves)
{
	const uint32_t i = A32 < ip->lo ? A32 : ip->lo;
	const struct insn *t = ip + 1 + i;

	t = BY(t, (int32_t)t->lo);
	if (t->op == CODE_gas)
		ENTER_BLOCK(t);
	GO(t);
}
#define h0_from(slots, bytes) ((uint64_t)(slots) * 8 << 32 | (uint32_t)(bytes))
#define RETURN_TO(h0)                                                                          \
	do {                                                                                   \
		if (UNLIKELY(gas < 0))                                                         \
			SLOW(slow_return_step);                                             \
		fp = (uint64_t *)(void *)((char *)fp - ((h0) >> 32));                          \
		GO(BY(m->code, (uint32_t)(h0)));                                               \
	} while (0)
OP(return_0)
{
	const uint64_t h0 = D;

	RETURN_TO(h0);
}
#define RETURN_1(form, value_of)                                                               \
	OP(form)                                                                               \
	{                                                                                      \
		const uint64_t h0 = D, value = value_of;                                       \
                                                                                               \
		if (UNLIKELY(gas < 0))                                                         \
			SLOW(slow_return_step);                                                \
		fp[0] = value;                                                                 \
		RETURN_TO(h0);                                                                 \
	}
RETURN_1(return_1, A)
RETURN_1(return_1_a, IN(return_1_a))
OP(return_n)
{
	const uint64_t h0 = D;

	if (UNLIKELY(gas < 0))
		SLOW(slow_return_step);
	PLAIN_LOOP
	for (uint32_t i = 0, from = ip->a, count = ip->b; i < count; i++)
		fp[i] = fp[from + i];
	RETURN_TO(h0);
}
#define ROOM(at) ((uint64_t)((const char *)m->stack_end - (const char *)(at)))
OP(call)
{
	const struct insn *e = m->entries[ip->ab];
	uint64_t *callee = fp + ip->d;

	if (UNLIKELY(ROOM(callee) < e->lo || gas < 0))
		SLOW(slow_call);
	callee[e->d] = ip[1].imm;
	callee[e->d + 1] = ip->imm;
	PLAIN_LOOP
	for (uint32_t i = e->a; i; i--)
		callee[e->d - i] = 0;
	fp = callee;
	ENTER_BLOCK(e + 1);
}
OP(call_import)
{
	SLOW(slow_call_import);
}
OP(call_indirect)
{
	const struct table *table = m->tables[ip[1].hi];
	const uint32_t i = A32;
	const struct insn *e;
	uint64_t *callee = fp + ip->d;
	uint64_t ref;
	uint32_t func;

	if (UNLIKELY(i >= table->count))
		TRAPS(TRAP_UNDEFINED);
	ref = table->refs[i];
	func = (uint32_t)ref - m->module->func_imports;
	if (UNLIKELY((uint32_t)(ref >> 32) != m->instance->index + 1 ||
		func >= m->module->funcs_count))
		SLOW(slow_call_indirect);
	e = m->entries[func]; /* not lowered yet: lo is past any stack */
	if (UNLIKELY(ROOM(callee) < e->lo || gas < 0))
		SLOW(slow_call_indirect);
	if (UNLIKELY(e->hi != ip[1].lo))
		TRAPS(TRAP_INDIRECT_TYPE);
	callee[e->d] = h0_from(ip->d, (const char *)(ip + 2) - (const char *)m->code);
	callee[e->d + 1] = ip->imm;
	PLAIN_LOOP
	for (uint32_t k = e->a; k; k--)
		callee[e->d - k] = 0;
	fp = callee;
	ENTER_BLOCK(e + 1);
}
OP(unreachable)
{
	TRAPS(TRAP_UNREACHABLE);
}
#define SELECT(form, condition)                                                                \
	OP(form)                                                                               \
	{                                                                                      \
		const uint64_t x = A, y = B;                                                   \
                                                                                               \
		OUT(form, (uint32_t)(condition) ? x : y);                                      \
		NEXT;                                                                          \
	}
SELECT(select, fp[ip->lo])
SELECT(select_a, IN(select_a))
OP(global_get)
{
	OUT(global_get, m->globals[ip->lo]->value);
	NEXT;
}
OP(global_set)
{
	m->globals[ip->lo]->value = A;
	NEXT;
}
OP(global_set_a)
{
	m->globals[ip->lo]->value = IN(global_set_a);
	NEXT;
}
OP(memory_size)
{
	D = (uint32_t)(m->mem_bytes >> 16);
	NEXT;
}
OP(memory_grow)
{
	SLOW(slow_memory_grow);
}
OP(memory_fill)
{
	SLOW(slow_memory_fill);
}
OP(memory_copy)
{
	SLOW(slow_memory_copy);
}
OP(memory_init)
{
	SLOW(slow_memory_init);
}
OP(data_drop)
{
	SLOW(slow_data_drop);
}
OP(table_get)
{
	SLOW(slow_table_get);
}
OP(table_set)
{
	SLOW(slow_table_set);
}
OP(table_size)
{
	D = m->tables[ip->lo]->count;
	NEXT;
}
OP(table_grow)
{
	SLOW(slow_table_grow);
}
OP(table_fill)
{
	SLOW(slow_table_fill);
}
OP(table_copy)
{
	SLOW(slow_table_copy);
}
OP(table_init)
{
	SLOW(slow_table_init);
}
OP(elem_drop)
{
	SLOW(slow_elem_drop);
}
OP(ref_func)
{
	SLOW(slow_ref_func);
}

/* --- integers ----------------------------------------------------------------- */

#define BIN_FORM(form, T, x_of, y_of, ...)                                                     \
	OP(form)                                                                               \
	{                                                                                      \
		const T x = (T)(x_of), y = (T)(y_of);                                          \
                                                                                               \
		OUT(form, (uint64_t)(__VA_ARGS__));                                            \
		NEXT;                                                                          \
	}
#define BIN_OF(name, T, imm_value, ...)                                                        \
	BIN_FORM(name##_ss, T, A, B, __VA_ARGS__)                                              \
	BIN_FORM(name##_si, T, A, imm_value, __VA_ARGS__)                                      \
	BIN_FORM(name##_as, T, IN(name##_as), B, __VA_ARGS__)                                  \
	BIN_FORM(name##_sa, T, A, IN(name##_sa), __VA_ARGS__)                                  \
	BIN_FORM(name##_ai, T, IN(name##_ai), imm_value, __VA_ARGS__)
#define BIN32(name, ...) BIN_OF(name, uint32_t, ip->lo, (uint32_t)(__VA_ARGS__))
#define BIN64(name, ...) BIN_OF(name, uint64_t, ip->imm, (uint64_t)(__VA_ARGS__))

BIN32(i32_add, x + y)
BIN32(i32_sub, x - y)
BIN32(i32_mul, x * y)
BIN32(i32_and, x & y)
BIN32(i32_or, x | y)
BIN32(i32_xor, x ^ y)
BIN32(i32_shl, x << (y & 31))
BIN32(i32_shr_s, (int32_t)x >> (y & 31))
BIN32(i32_shr_u, x >> (y & 31))
BIN32(i32_rotl, rotl32(x, y))
BIN32(i32_rotr, rotr32(x, y))
BIN64(i64_add, x + y)
BIN64(i64_sub, x - y)
BIN64(i64_mul, x * y)
BIN64(i64_and, x & y)
BIN64(i64_or, x | y)
BIN64(i64_xor, x ^ y)
BIN64(i64_shl, x << (y & 63))
BIN64(i64_shr_s, (int64_t)x >> (y & 63))
BIN64(i64_shr_u, x >> (y & 63))
BIN64(i64_rotl, rotl64(x, y))
BIN64(i64_rotr, rotr64(x, y))

#define DIV_FORM(form, T, x_of, y_of, fails, trap, ...)                                        \
	OP(form)                                                                               \
	{                                                                                      \
		const T x = (T)(x_of), y = (T)(y_of);                                          \
                                                                                               \
		if (UNLIKELY(y == 0))                                                          \
			TRAPS(TRAP_DIVIDE_BY_ZERO);                                            \
		if (UNLIKELY(fails))                                                           \
			TRAPS(trap);                                                           \
		OUT(form, (T)(__VA_ARGS__));                                                   \
		NEXT;                                                                          \
	}
#define DIV_OF(name, T, S, imm_value, fails, trap, ...)                                        \
	DIV_FORM(name##_ss, T, A, B, fails, trap, __VA_ARGS__)                                 \
	DIV_FORM(name##_si, T, A, imm_value, fails, trap, __VA_ARGS__)                         \
	DIV_FORM(name##_as, T, IN(name##_as), B, fails, trap, __VA_ARGS__)                     \
	DIV_FORM(name##_sa, T, A, IN(name##_sa), fails, trap, __VA_ARGS__)                     \
	DIV_FORM(name##_ai, T, IN(name##_ai), imm_value, fails, trap, __VA_ARGS__)
#define DIVS(t, T, S, imm_value, least)                                                        \
	DIV_OF(t##_div_s, T, S, imm_value, x == (least) && y == (T)-1, TRAP_OVERFLOW,          \
		(S)x / (S)y)                                                                   \
	DIV_OF(t##_div_u, T, S, imm_value, false, TRAP_OVERFLOW, x / y)                        \
	DIV_OF(t##_rem_s, T, S, imm_value, false, TRAP_OVERFLOW,                               \
		y == (T)-1 ? 0 : (S)x % (S)y)                                                  \
	DIV_OF(t##_rem_u, T, S, imm_value, false, TRAP_OVERFLOW, x % y)

DIVS(i32, uint32_t, int32_t, ip->lo, 0x80000000u)
DIVS(i64, uint64_t, int64_t, ip->imm, 0x8000000000000000u)

#define CMP_FORM(form, T, x_of, y_of, op)                                                      \
	OP(form)                                                                               \
	{                                                                                      \
		OUT(form, (T)(x_of)op(T)(y_of));                                               \
		NEXT;                                                                          \
	}
#define CMP_OF(name, T, imm_value, imm_branch, op)                                             \
	CMP_FORM(name##_ss, T, A, B, op)                                                       \
	CMP_FORM(name##_si, T, A, imm_value, op)                                               \
	CMP_FORM(name##_as, T, IN(name##_as), B, op)                                           \
	CMP_FORM(name##_sa, T, A, IN(name##_sa), op)                                           \
	CMP_FORM(name##_ai, T, IN(name##_ai), imm_value, op)                                   \
	BR_IF(name##_br_ss, (T)A op(T) B)                                                      \
	BR_IF(name##_br_si, (T)A op(T)(imm_branch))                                            \
	BR_IF(name##_br_as, (T)IN(name##_br_as) op(T) B)                                       \
	BR_IF(name##_br_sa, (T)A op(T)IN(name##_br_sa))                                        \
	BR_IF(name##_br_ai, (T)IN(name##_br_ai) op(T)(imm_branch))
#define CMP32(name, T, op) CMP_OF(i32_##name, T, ip->lo, ip->hi, op)
#define CMP64(name, T, op) CMP_OF(i64_##name, T, ip->imm, (int64_t)(int32_t)ip->hi, op)
#define CMPS(name, op, T32, T64) CMP32(name, T32, op) CMP64(name, T64, op)

CMPS(eq, ==, uint32_t, uint64_t)
CMPS(ne, !=, uint32_t, uint64_t)
CMPS(lt_s, <, int32_t, int64_t)
CMPS(lt_u, <, uint32_t, uint64_t)
CMPS(gt_s, >, int32_t, int64_t)
CMPS(gt_u, >, uint32_t, uint64_t)
CMPS(le_s, <=, int32_t, int64_t)
CMPS(le_u, <=, uint32_t, uint64_t)
CMPS(ge_s, >=, int32_t, int64_t)
CMPS(ge_u, >=, uint32_t, uint64_t)

#define UN_FORM(form, x_of, ...)                                                               \
	OP(form)                                                                               \
	{                                                                                      \
		const uint64_t x = x_of;                                                       \
                                                                                               \
		OUT(form, (uint64_t)(__VA_ARGS__));                                            \
		NEXT;                                                                          \
	}
#define UN_OF(name, ...)                                                                       \
	UN_FORM(name, A, __VA_ARGS__)                                                          \
	UN_FORM(name##_a, IN(name##_a), __VA_ARGS__)

UN_OF(i32_eqz, (uint32_t)x == 0)
UN_OF(i64_eqz, x == 0)
UN_OF(i32_clz, clz32((uint32_t)x))
UN_OF(i32_ctz, ctz32((uint32_t)x))
UN_OF(i32_popcnt, (uint32_t)__builtin_popcount((uint32_t)x))
UN_OF(i64_clz, clz64(x))
UN_OF(i64_ctz, ctz64(x))
UN_OF(i64_popcnt, (uint64_t)__builtin_popcountll(x))
UN_OF(i32_extend8_s, (uint32_t)(int8_t)x)
UN_OF(i32_extend16_s, (uint32_t)(int16_t)x)
UN_OF(i64_extend8_s, (uint64_t)(int8_t)x)
UN_OF(i64_extend16_s, (uint64_t)(int16_t)x)
UN_OF(i64_extend32_s, (uint64_t)(int32_t)x)
UN_OF(i32_wrap_i64, (uint32_t)x)
UN_OF(i64_extend_i32_s, (uint64_t)(int32_t)x)

/* --- floats --------------------------------------------------------------------- */

#define FBIN_FORM(form, t, T, x_of, y_of, ...)                                                 \
	OP(form)                                                                               \
	{                                                                                      \
		const T x = t##_of(x_of), y = t##_of(y_of);                                    \
                                                                                               \
		OUT(form, (uint64_t)(__VA_ARGS__));                                            \
		NEXT;                                                                          \
	}
/* Arithmetic on doubles ends in two ways, each with its own NEXT: merged, the
 * result would go through an integer register on its way to the slot. */
#define OUT_F64(value)                                                                         \
	do {                                                                                   \
		const double result = (value);                                                 \
                                                                                               \
		if (UNLIKELY(result != result)) {                                              \
			dacc = f64_of(F64_NAN);                                                \
			D = F64_NAN;                                                           \
			NEXT;                                                                  \
		}                                                                              \
		dacc = result;                                                                 \
		memcpy(&D, &result, sizeof result);                                            \
		NEXT;                                                                          \
	} while (0)
#define F64_FORM(form, t, T, x_of, y_of, op)                                                   \
	OP(form)                                                                               \
	{                                                                                      \
		OUT_F64(f64_of(x_of) op f64_of(y_of));                                         \
	}
#define FLOAT_FORMS(FORM, name, t, T, ...)                                                     \
	FORM(name##_ss, t, T, A, B, __VA_ARGS__)                                               \
	FORM(name##_si, t, T, A, ip->imm, __VA_ARGS__)                                         \
	FORM(name##_as, t, T, IN(name##_as), B, __VA_ARGS__)                                   \
	FORM(name##_sa, t, T, A, IN(name##_sa), __VA_ARGS__)                                   \
	FORM(name##_aa, t, T, IN(name##_aa), IN(name##_aa), __VA_ARGS__)                       \
	FORM(name##_ai, t, T, IN(name##_ai), ip->imm, __VA_ARGS__)
#define FBIN_OF(name, t, T, ...)   FLOAT_FORMS(FBIN_FORM, name, t, T, __VA_ARGS__)
#define F64_ARITHMETIC(name, op) FLOAT_FORMS(F64_FORM, f64_##name, f64, double, op)
F64_ARITHMETIC(add, +)
F64_ARITHMETIC(sub, -)
F64_ARITHMETIC(mul, *)
F64_ARITHMETIC(div, /)
FBIN_OF(f32_add, f32, float, f32_out(x + y))
FBIN_OF(f32_sub, f32, float, f32_out(x - y))
FBIN_OF(f32_mul, f32, float, f32_out(x * y))
FBIN_OF(f32_div, f32, float, f32_out(x / y))

#define FBINS(t, T, sign)                                                                      \
	FBIN_OF(t##_min, t, T, t##_min(x, y))                                         \
	FBIN_OF(t##_max, t, T, t##_max(x, y))                                         \
	FBIN_OF(t##_copysign, t, T,                                                   \
		(t##_bits(x) & ~(uint64_t)(sign)) | (t##_bits(y) & (sign)))

FBINS(f32, float, 0x80000000u)
FBINS(f64, double, 0x8000000000000000u)

#define FCMP_FORM(form, t, x_of, y_of, op)                                                     \
	OP(form)                                                                               \
	{                                                                                      \
		OUT(form, t##_of(x_of) op t##_of(y_of));                                       \
		NEXT;                                                                          \
	}
#define FBR_OF(name, t, yes, op)                                                               \
	BR_IF(name##_ss, yes(t##_of(A) op t##_of(B)))                                          \
	BR_IF(name##_as, yes(t##_of(IN(name##_as)) op t##_of(B)))                              \
	BR_IF(name##_sa, yes(t##_of(A) op t##_of(IN(name##_sa))))
#define FCMP_OF(name, t, op)                                                                   \
	FCMP_FORM(name##_ss, t, A, B, op)                                                      \
	FCMP_FORM(name##_as, t, IN(name##_as), B, op)                                          \
	FCMP_FORM(name##_sa, t, A, IN(name##_sa), op)                                          \
	FBR_OF(name##_br, t, , op)                                                             \
	FBR_OF(name##_bn, t, !, op)
#define FCMPS(name, op) FCMP_OF(f32_##name, f32, op) FCMP_OF(f64_##name, f64, op)

FCMPS(eq, ==)
FCMPS(ne, !=)
FCMPS(lt, <)
FCMPS(gt, >)
FCMPS(le, <=)
FCMPS(ge, >=)

UN_OF(f32_abs, x & 0x7fffffffu)
UN_OF(f32_neg, x ^ 0x80000000u)
UN_OF(f32_ceil, f32_out(ceilf(f32_of(x))))
UN_OF(f32_floor, f32_out(floorf(f32_of(x))))
UN_OF(f32_trunc, f32_out(truncf(f32_of(x))))
UN_OF(f32_nearest, f32_out(rintf(f32_of(x))))
UN_OF(f32_sqrt, f32_out(__builtin_sqrtf(f32_of(x))))
UN_OF(f64_abs, x & 0x7fffffffffffffffu)
UN_OF(f64_neg, x ^ 0x8000000000000000u)
UN_OF(f64_ceil, f64_out(ceil(f64_of(x))))
UN_OF(f64_floor, f64_out(floor(f64_of(x))))
UN_OF(f64_trunc, f64_out(trunc(f64_of(x))))
UN_OF(f64_nearest, f64_out(rint(f64_of(x))))
OP(f64_sqrt)
{
	OUT_F64(__builtin_sqrt(f64_of(A)));
}
OP(f64_sqrt_a)
{
	OUT_F64(__builtin_sqrt(dacc));
}

/* --- conversions ------------------------------------------------------------------ */

#define TRUNC_FORM(form, x_of, t, FITS, to, zext)                                              \
	OP(form)                                                                               \
	{                                                                                      \
		const uint64_t bits = x_of;                                                    \
                                                                                               \
		if (UNLIKELY(!FITS(t##_of(bits))))                                             \
			TRAPS(t##_of(bits) != t##_of(bits) ? TRAP_CONVERSION : TRAP_OVERFLOW); \
		OUT(form, (zext)(to)t##_of(bits));                                             \
		NEXT;                                                                          \
	}
#define TRUNC_OF(name, ...)                                                                    \
	TRUNC_FORM(name, A, __VA_ARGS__)                                                       \
	TRUNC_FORM(name##_a, IN(name##_a), __VA_ARGS__)
TRUNC_OF(i32_trunc_f32_s, f32, F32_FITS_I32, int32_t, uint32_t)
TRUNC_OF(i32_trunc_f32_u, f32, F32_FITS_U32, uint32_t, uint32_t)
TRUNC_OF(i32_trunc_f64_s, f64, F64_FITS_I32, int32_t, uint32_t)
TRUNC_OF(i32_trunc_f64_u, f64, F64_FITS_U32, uint32_t, uint32_t)
TRUNC_OF(i64_trunc_f32_s, f32, F32_FITS_I64, int64_t, uint64_t)
TRUNC_OF(i64_trunc_f32_u, f32, F32_FITS_U64, uint64_t, uint64_t)
TRUNC_OF(i64_trunc_f64_s, f64, F64_FITS_I64, int64_t, uint64_t)
TRUNC_OF(i64_trunc_f64_u, f64, F64_FITS_U64, uint64_t, uint64_t)
UN_OF(i32_trunc_sat_f32_s, sat_f32_i32(f32_of(x)))
UN_OF(i32_trunc_sat_f32_u, sat_f32_u32(f32_of(x)))
UN_OF(i32_trunc_sat_f64_s, sat_f64_i32(f64_of(x)))
UN_OF(i32_trunc_sat_f64_u, sat_f64_u32(f64_of(x)))
UN_OF(i64_trunc_sat_f32_s, sat_f32_i64(f32_of(x)))
UN_OF(i64_trunc_sat_f32_u, sat_f32_u64(f32_of(x)))
UN_OF(i64_trunc_sat_f64_s, sat_f64_i64(f64_of(x)))
UN_OF(i64_trunc_sat_f64_u, sat_f64_u64(f64_of(x)))
UN_OF(f32_convert_i32_s, f32_bits((float)(int32_t)x))
UN_OF(f32_convert_i32_u, f32_bits((float)(uint32_t)x))
UN_OF(f32_convert_i64_s, f32_bits((float)(int64_t)x))
UN_OF(f32_convert_i64_u, f32_bits((float)x))
UN_OF(f64_convert_i32_s, f64_bits((double)(int32_t)x))
UN_OF(f64_convert_i32_u, f64_bits((double)(uint32_t)x))
UN_OF(f64_convert_i64_s, f64_bits((double)(int64_t)x))
UN_OF(f64_convert_i64_u, f64_bits((double)x))
UN_OF(f32_demote_f64, f32_out((float)f64_of(x)))
UN_OF(f64_promote_f32, f64_out((double)f32_of(x)))

/* --- memory: the address is 33 bits, the check exact -------------------------------- */

#define LOG2(bytes) ((bytes) == 1 ? 0 : (bytes) == 2 ? 1 : (bytes) == 4 ? 2 : 3)
#define EA_I(a)    ((uint64_t)((uint32_t)(a) + ip->hi) + ip->lo)
#define EA_X(a, b) ((uint64_t)((uint32_t)(a) + (uint32_t)(b)) + ip->lo)
#define LOAD_FORM(form, ea_of, raw, ...)                                                       \
	OP(form)                                                                               \
	{                                                                                      \
		const uint64_t ea = ea_of;                                                     \
		raw v;                                                                         \
                                                                                               \
		if (UNLIKELY(ea >= m->mem_ends[LOG2(sizeof v)]))                               \
			TRAPS(TRAP_MEMORY);                                                    \
		memcpy(&v, mem + ea, sizeof v);                                                \
		OUT(form, (uint64_t)(__VA_ARGS__));                                            \
		NEXT;                                                                          \
	}
#define LOAD_OF(name, raw, ...)                                                                \
	LOAD_FORM(name##_i, EA_I(A), raw, __VA_ARGS__)                                         \
	LOAD_FORM(name##_x, EA_X(A, B), raw, __VA_ARGS__)                                      \
	LOAD_FORM(name##_k, ip->imm, raw, __VA_ARGS__)                                         \
	LOAD_FORM(name##_ia, EA_I(IN(name##_ia)), raw, __VA_ARGS__)                            \
	LOAD_FORM(name##_xa, EA_X(IN(name##_xa), B), raw, __VA_ARGS__)                         \
	LOAD_FORM(name##_xb, EA_X(A, IN(name##_xb)), raw, __VA_ARGS__)
LOAD_OF(i32_load, uint32_t, v)
LOAD_OF(i64_load, uint64_t, v)
LOAD_OF(f64_load, uint64_t, v)
LOAD_OF(i32_load8_s, int8_t, (uint32_t)v)
LOAD_OF(i32_load8_u, uint8_t, v)
LOAD_OF(i32_load16_s, int16_t, (uint32_t)v)
LOAD_OF(i32_load16_u, uint16_t, v)
LOAD_OF(i64_load8_s, int8_t, (uint64_t)v)
LOAD_OF(i64_load8_u, uint8_t, v)
LOAD_OF(i64_load16_s, int16_t, (uint64_t)v)
LOAD_OF(i64_load16_u, uint16_t, v)
LOAD_OF(i64_load32_s, int32_t, (uint64_t)v)
LOAD_OF(i64_load32_u, uint32_t, v)

#define STORE_FORM(form, ea_of, raw, value)                                                    \
	OP(form)                                                                               \
	{                                                                                      \
		const uint64_t ea = ea_of;                                                     \
		const raw v = (raw)(value);                                                    \
                                                                                               \
		if (UNLIKELY(ea >= m->mem_ends[LOG2(sizeof v)]))                               \
			TRAPS(TRAP_MEMORY);                                                    \
		memcpy(mem + ea, &v, sizeof v);                                                \
		NEXT;                                                                          \
	}
#define STORE_OF(name, raw)                                                                    \
	STORE_FORM(name##_i, EA_I(A), raw, D)                                                  \
	STORE_FORM(name##_x, EA_X(A, B), raw, D)                                               \
	STORE_FORM(name##_k, ip->imm, raw, D)                                                  \
	STORE_FORM(name##_id, EA_I(A), raw, IN(name##_id))                                     \
	STORE_FORM(name##_xd, EA_X(A, B), raw, IN(name##_xd))                                  \
	STORE_FORM(name##_kd, ip->imm, raw, IN(name##_kd))                                     \
	STORE_FORM(name##_ia, EA_I(IN(name##_ia)), raw, D)
STORE_OF(i32_store, uint32_t)
STORE_OF(i64_store, uint64_t)
STORE_OF(f64_store, uint64_t)
STORE_OF(i32_store8, uint8_t)
STORE_OF(i32_store16, uint16_t)
