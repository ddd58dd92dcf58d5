/*
 * A command's two ends over a WebSocket, in either of two forms (docs/api.md): plain, as all
 * clients of the wire know it, and tagged, which only ours asks for and which tells stdout from
 * stderr, and carries the terminal's size.
 */
#pragma once

#include "api/request.h"
#include "base/websocket.h"

/* Moves bytes both ways until the command ends, then its exit code is in `exit_code`. False when
 * the peer went before (the command has been ended then, and nobody is to be told) or with an
 * error. */
bool
duplex_run(
    Request *request, WebSocket *socket, EngineStream *stream, int *exit_code, GError **error);

/* Tells the exit code, as the last thing before the end. */
void
duplex_tell_exit(const Request *request, WebSocket *socket, int exit_code);

/* Tells an error, and 125 as the exit code. */
void
duplex_tell_error(const Request *request, WebSocket *socket, const GError *failure);

/* Bytes both ways between a connected socket and a WebSocket, until both have ended or one is gone.
 */
void
duplex_relay(Request *request, WebSocket *socket, int peer);
