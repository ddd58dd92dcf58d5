/*
 * A server for tests of clients: a real socket, a thread for each connection, and a handler that is
 * given the descriptor. Nothing of base is used, so that the tests do not prove a thing by itself.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct SmallServer SmallServer;

/* Handles one connection; the server closes `fd` afterwards. */
typedef void (*SmallServerHandler)(int fd, gpointer data);

/* Listens on 127.0.0.1, port of the kernel's choice. */
SmallServer *
small_server_tcp(SmallServerHandler handler, gpointer data);

SmallServer *
small_server_unix(const char *path, SmallServerHandler handler, gpointer data);

unsigned
small_server_port(const SmallServer *server);

/* Connections accepted so far. */
unsigned
small_server_connections(SmallServer *server);

/* Stops listening, shuts all connections down and waits for their threads. */
void
small_server_free(SmallServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmallServer, small_server_free)

/* Reads up to and with the blank line, byte by byte. False at the end of the connection. */
bool
small_server_read_head(int fd, GString *head);

/* Reads exactly `length` bytes. */
bool
small_server_read(int fd, void *buffer, gsize length);

bool
small_server_write(int fd, const void *bytes, gsize length);

/* Writes a text. */
bool
small_server_say(int fd, const char *text);
