/* SPDX-License-Identifier: Apache-2.0 */
/* command.h - what a test tells a puppet to do, as it lies in the puppet's memory:
 * the command, then COMMAND_TEXT bytes of text to send, then as much room. */
#pragma once

enum command_form {
	COMMAND_NONE, COMMAND_CALL, COMMAND_SEND, COMMAND_REPLY, COMMAND_SPIN, COMMAND_GROW,
	COMMAND_IMPORT, COMMAND_TRAP, COMMAND_DEEP, COMMAND_CALL_AT, COMMAND_RETURN,
	COMMAND_FORMS
};

enum { COMMAND_TEXT = 128 << 10, COMMAND_MESSAGE = 32, COMMAND_BYTES = 128 };

struct command {
	unsigned form;
	int slot;
	unsigned order; /* also: how often, how many */
	unsigned rc;
	unsigned at; /* COMMAND_CALL_AT: where the message is said to be */
	unsigned zero[3];
	unsigned char message[96] __attribute__((aligned(8)));
};

_Static_assert(sizeof(struct command) == COMMAND_BYTES, "as the test writes it");
