/*
 * Every limit on what comes from outside, by name. A value outside one of these is refused with an
 * error that names the thing, the limit and the wish; nothing is cut in silence.
 */
#pragma once

#define LIMIT_BODY_BYTES (1024 * 1024) /* a request body that is held in memory */
#define LIMIT_OBJECT_BYTES                                                                         \
	(4LL * 1024 * 1024 * 1024) /* an uploaded object; goes to a file, never to memory */
#define LIMIT_MANIFEST_BYTES (1024 * 1024)
#define LIMIT_YAML_DEPTH 32
/* Counted while walking, so an alias counts each time it is used. */
#define LIMIT_YAML_NODES 100000
#define LIMIT_ENV_NAME_BYTES 255
#define LIMIT_ENV_ENTRY_BYTES 131071 /* «NAME=value»: the kernel's limit for one string */
#define LIMIT_ENV_BYTES (768 * 1024) /* a whole environment */
#define LIMIT_NAME_BYTES 30          /* app and service names: APP-SERVICE must be a DNS label */
#define LIMIT_WEBSOCKET_MESSAGE_BYTES (1024 * 1024)
#define LIMIT_TAR_ENTRIES 100000
#define LIMIT_TAR_UNPACKED_BYTES (16LL * 1024 * 1024 * 1024)
#define LIMIT_TAR_PATH_BYTES 4096
#define LIMIT_TAR_NAMES_BYTES (32 * 1024 * 1024) /* all paths of an archive together */
#define LIMIT_CONNECTIONS 512
#define LIMIT_LOG_LINE_BYTES (1024 * 1024)
#define LIMIT_ENGINE_ANSWER_BYTES (32 * 1024 * 1024)
#define LIMIT_SCALE 1000 /* processes of one service */
#define LIMIT_LIST 1000  /* entries of one answer */
