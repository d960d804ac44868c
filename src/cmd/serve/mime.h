/* mime.h: the media type that a file's name stands for. */
#ifndef EDDY_CMD_SERVE_MIME_H
#define EDDY_CMD_SERVE_MIME_H

#include <stddef.h>

/* By the extension of the path's last segment, whatever its case; "application/octet-stream" when
 * it says nothing. */
const char *mime_type(const char *path, size_t length);

#endif
