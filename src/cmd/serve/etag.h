/* etag.h: entity tags (RFC 9110 §8.8.3). */
#ifndef EDDY_CMD_SERVE_ETAG_H
#define EDDY_CMD_SERVE_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum { ETAG_BYTES = 64 }; /* the longest, with its quotes */

/* A strong tag, which changes when the file grows, shrinks, is written to or replaced by another
 * that was written at another time; an identical one with its time kept has the same, on whatever
 * disk. Two writes of one length within the tick of the file system's clock are beyond it:
 * etag_is_young(). */
void etag_put(struct text *text, int64_t size, int64_t modified_s, int64_t modified_ns);

/* Whether the file may be written to again without that showing in its time, as git's index has it
 * ("racy"): it was written to less than ETAG_TICK_NS before `now_ns`, or ETAG_COARSE_NS if its time
 * seems to be told in whole seconds. A time that is so far in the future is nobody's clock. */
#define ETAG_TICK_NS   INT64_C(20000000)   /* Linux has ticks of 10 ms at most */
#define ETAG_COARSE_NS INT64_C(2000000000) /* FAT's */
bool etag_is_young(int64_t modified_s, int64_t modified_ns, int64_t now_ns);

enum etag_compare { ETAG_WEAK, ETAG_STRONG };

/* Whether `list`, the value of If-Match or If-None-Match, is "*" or holds `tag`. A malformed list
 * matches nothing. */
bool etag_matches(const char *list, size_t length, const char *tag, size_t tag_length,
                  enum etag_compare compare);

#endif
