/* json.h: JSON, written into bounded memory, and looked at in files that came from elsewhere.
 * Without state. */
#ifndef EDDY_CMD_JSON_H
#define EDDY_CMD_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct json {
    char *text; /* ended by a NUL */
    size_t size, used;
    bool is_cut; /* there was no room for all */
};

void json_begin(struct json *json, char *text, size_t size);
/* As printf. What does not fit is left out as a whole, and is_cut set. */
void json_add(struct json *json, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A string in its quotes; NULL: null. What is not UTF-8 becomes "?". */
void json_add_text(struct json *json, const char *text);

/* Whether this is one JSON object (RFC 8259) and nothing else, nested at most JSON_DEPTH deep. If
 * not, `*why` says what is wrong. */
enum { JSON_DEPTH = 16 };
bool json_check(const char *text, size_t length, const char **why);

/* Finds a member of an object that json_check has taken: its value as it stands there, a string
 * with its quotes. The first one, if there are several. */
bool json_find(const char *object, size_t length, const char *name, const char **value,
               size_t *value_length);

/* The text of a string, as json_find gives it, with its escapes replaced; ends with a NUL. False:
 * it is no string, has a NUL in it or half of a pair of UTF-16, or does not fit. */
bool json_read_text(const char *value, size_t length, char *text, size_t size);
/* False: it is no number, or one that is too large. */
bool json_read_number(const char *value, size_t length, double *number);

#endif
