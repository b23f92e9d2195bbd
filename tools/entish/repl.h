/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads entries until the end of input, says what each gives. An exit code. */
int repl(void);
