/* mime.c: see mime.h. */
#include "mime.h"

#include <stdlib.h>

#include "mime_tables.h"

enum { EXTENSION_MAX = 63 }; /* of a map */

/* --- What a name stands for --- */

static const char *find(const struct mime_entry *entries, size_t count, const char *name) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *other = entries[middle].name;
        size_t i = 0; /* most differ in the first bytes, long before a call would pay */
        while (name[i] == other[i] && name[i] != '\0') i++;
        if (name[i] == other[i]) return entries[middle].type;
        if ((unsigned char)name[i] < (unsigned char)other[i])
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const char *find_own(const struct mime_map *map, const char *extension) {
    size_t low = 0, high = map != NULL ? map->count : 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(extension, map->own[middle].extension);
        if (order == 0) return map->own[middle].type;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* Where the last segment's extension begins, or, without one, the segment itself. ".profile" is a
 * name, not an extension. */
static size_t start_of(const char *path, size_t length, bool *is_extension) {
    size_t start = length;
    while (start > 0 && path[start - 1] != '.' && path[start - 1] != '/') start--;
    *is_extension = start >= 2 && path[start - 1] == '.' && path[start - 2] != '/';
    return start;
}

const char *mime_type(const struct mime_map *map, const char *path, size_t length) {
    const char *unknown = "application/octet-stream", *type = NULL;
    char name[EXTENSION_MAX + 1];
    bool is_extension;
    size_t start = start_of(path, length, &is_extension), i = 0;
    if (start == length || length - start > EXTENSION_MAX) return unknown;
    for (; start + i < length; i++) name[i] = lower(path[start + i]);
    name[i] = '\0';
    if (is_extension) {
        type = find_own(map, name);
        if (type == NULL) type = find(mime_extensions, mime_extension_count, name);
    } else if (start == 0 || path[start - 1] == '/') {
        type = find(mime_names, mime_name_count, name);
    }
    return type != NULL ? type : unknown;
}

const char *mime_encoding(const char *path, size_t length) {
    static const char extension[] = ".svgz";
    size_t bytes = sizeof extension - 1;
    if (length <= bytes || path[length - bytes - 1] == '/') return NULL;
    for (size_t i = 0; i < bytes; i++)
        if (lower(path[length - bytes + i]) != extension[i]) return NULL;
    return "gzip";
}

/* --- Types of the user's own --- */

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

static bool is_type(const char *word, size_t length) {
    size_t slashes = 0;
    for (size_t i = 0; i < length; i++) {
        char byte = lower(word[i]);
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
                        strchr("!#$&-^_.+", byte) != NULL;
        if (!is_plain && byte != '/') return false;
        slashes += byte == '/';
    }
    return slashes == 1 && word[0] != '/' && word[length - 1] != '/' && length <= MIME_TYPE_BYTES;
}

static const char *put_word(struct text *bytes, const char *word, size_t length) {
    const char *at = bytes->bytes != NULL ? bytes->bytes + bytes->length : NULL;
    for (size_t i = 0; i < length; i++) text_put(bytes, (char[]){lower(word[i])}, 1);
    return at;
}

/* The next word of the line, with its length; 0 at the end. */
static size_t next_word(const char **at) {
    size_t length = 0;
    while (is_blank(**at)) ++*at;
    if (**at == '#') return 0;
    while ((*at)[length] != '\0' && (*at)[length] != '\n' && !is_blank((*at)[length])) length++;
    return length;
}

/* Returns what would be right, or NULL. */
static const char *read_line(struct mime_map *map, struct text *bytes, const char *at) {
    size_t length = next_word(&at);
    if (length == 0) return NULL;
    if (!is_type(at, length)) return "a line begins with a type such as text/plain";
    const char *type = put_word(bytes, at, length);
    if (length > 5 && memcmp(at, "text/", 5) == 0) text_put_literal(bytes, "; charset=utf-8");
    text_put(bytes, "", 1);
    at += length;
    while ((length = next_word(&at)) > 0) {
        if (memchr(at, '/', length) != NULL || memchr(at, '.', length) != NULL ||
            length > EXTENSION_MAX)
            return "extensions have no \"/\" or \".\", and 63 bytes at most";
        const char *extension = put_word(bytes, at, length);
        text_put(bytes, "", 1);
        if (map->own != NULL) map->own[map->count] = (struct mime_own){extension, type};
        map->count++;
        at += length;
    }
    return NULL;
}

/* Of the same extensions the last one comes first: strings lie in the order of the lines. */
static int compare(const void *a, const void *b) {
    const struct mime_own *left = a, *right = b;
    int order = strcmp(left->extension, right->extension);
    return order != 0 ? order : left->extension < right->extension ? 1 : -1;
}

static void sort(struct mime_map *map) {
    size_t kept = 0;
    qsort(map->own, map->count, sizeof *map->own, compare);
    for (size_t i = 0; i < map->count; i++)
        if (kept == 0 || strcmp(map->own[kept - 1].extension, map->own[i].extension) != 0)
            map->own[kept++] = map->own[i];
    map->count = kept;
}

size_t mime_map_read(struct mime_map *map, struct text *bytes, const char *text,
                     const char **error) {
    map->count = 0;
    for (size_t line = 1; text != NULL; line++) {
        *error = read_line(map, bytes, text);
        if (*error != NULL) return line;
        text = strchr(text, '\n');
        if (text != NULL) text++;
    }
    if (map->own != NULL && map->count > 0) sort(map);
    return 0;
}
