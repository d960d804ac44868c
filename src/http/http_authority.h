/* http_authority.h: "host:port", as in the field Host and in absolute targets (RFC 9110 §4.2, RFC
 * 3986 §3.2). Without "user@": that is an error there.
 * Threading: none of its own; pure. */
#ifndef EDDY_HTTP_HTTP_AUTHORITY_H
#define EDDY_HTTP_HTTP_AUTHORITY_H

/* Where the authority at `text` ends, at or before `end`; NULL if none begins there. It has a host:
 * a name, whose escapes are whole and whose labels are not empty but for one dot at the end, or an
 * address in brackets. It may have a port, which is empty or at most 65535. The byte at `end` is
 * there and belongs to no authority: "/", "?", a blank or CR. */
const char *eddy__http_authority_end(const char *text, const char *end);

#endif
