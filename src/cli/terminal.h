/*
 * The person's terminal during an interactive command: raw, so that every key reaches the command,
 * and as before in every end of this program that it can see.
 */
#pragma once

#include <stdbool.h>

/* Makes stdin's terminal raw. False when it is none. */
bool
terminal_make_raw(void);

/* As it was before. Safe in any thread, any number of times. */
void
terminal_restore(void);

/* False when stdout is no terminal. */
bool
terminal_size(unsigned *height, unsigned *width);
