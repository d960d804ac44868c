/* json.c: see json.h. */
#include "json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Writing --- */

void json_begin(struct json *json, char *text, size_t size) {
    *json = (struct json){.text = text, .size = size};
    text[0] = '\0';
}

void json_add(struct json *json, const char *format, ...) {
    va_list arguments;
    size_t room = json->size - json->used;
    va_start(arguments, format);
    int length = vsnprintf(json->text + json->used, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room) {
        json->text[json->used] = '\0';
        json->is_cut = true;
        return;
    }
    json->used += (size_t)length;
}

/* How many bytes the sequence of UTF-8 at `text` has; 0: it is none. */
static size_t sequence_length(const unsigned char *text, size_t room) {
    static const unsigned char least[] = {0, 0, 0xc2, 0xe0, 0xf0};
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (length == 1) return 1;
    if (text[0] < least[length] || text[0] > 0xf4 || length > room) return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if (text[0] == 0xe0 && text[1] < 0xa0) return 0; /* longer than need be */
    if (text[0] == 0xed && text[1] > 0x9f) return 0; /* halves of UTF-16 */
    if (text[0] == 0xf0 && text[1] < 0x90) return 0;
    if (text[0] == 0xf4 && text[1] > 0x8f) return 0;
    return length;
}

void json_add_text(struct json *json, const char *text) {
    if (text == NULL) {
        json_add(json, "null");
        return;
    }
    size_t left = strlen(text);
    json_add(json, "\"");
    while (left > 0) {
        unsigned char c = (unsigned char)*text;
        size_t length = sequence_length((const unsigned char *)text, left);
        if (length == 0)
            json_add(json, "?");
        else if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
            json_add(json, "\\u%04x", c);
        else
            json_add(json, "%.*s", (int)length, text);
        text += length > 0 ? length : 1;
        left -= length > 0 ? length : 1;
    }
    json_add(json, "\"");
}

/* --- Reading --- */

struct reading {
    const char *at, *end;
    const char *why;
};

static bool fails(struct reading *reading, const char *why) {
    if (reading->why == NULL) reading->why = why;
    return false;
}

static void skip_space(struct reading *reading) {
    while (reading->at < reading->end && strchr(" \t\r\n", *reading->at) != NULL &&
           *reading->at != '\0')
        reading->at++;
}

static bool takes(struct reading *reading, char c) {
    if (reading->at == reading->end || *reading->at != c) return false;
    reading->at++;
    return true;
}

static bool take_escape(struct reading *reading) {
    if (reading->at == reading->end) return fails(reading, "a string does not end");
    char c = *reading->at++;
    if (c != 'u') {
        bool is_known = c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
        return is_known || fails(reading, "an unknown escape in a string");
    }
    for (int i = 0; i < 4; i++, reading->at++)
        if (reading->at == reading->end || *reading->at == '\0' ||
            strchr("0123456789abcdefABCDEF", *reading->at) == NULL)
            return fails(reading, "\\u without four digits");
    return true;
}

static bool take_string(struct reading *reading) {
    if (!takes(reading, '"')) return fails(reading, "a string is missing");
    while (reading->at < reading->end) {
        const unsigned char *at = (const unsigned char *)reading->at;
        if (*at == '"') {
            reading->at++;
            return true;
        }
        if (*at < 0x20) return fails(reading, "a control character in a string");
        size_t length = sequence_length(at, (size_t)(reading->end - reading->at));
        if (length == 0) return fails(reading, "a string is not UTF-8");
        reading->at += length;
        if (*at == '\\' && !take_escape(reading)) return false;
    }
    return fails(reading, "a string does not end");
}

static bool take_digits(struct reading *reading) {
    const char *begin = reading->at;
    while (reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9') reading->at++;
    return reading->at > begin || fails(reading, "a number without digits");
}

static bool take_number(struct reading *reading) {
    (void)takes(reading, '-');
    bool is_zero = reading->at < reading->end && *reading->at == '0';
    const char *begin = reading->at;
    if (!take_digits(reading)) return false;
    if (is_zero && reading->at > begin + 1) return fails(reading, "a number begins with 0");
    if (takes(reading, '.') && !take_digits(reading)) return false;
    if (!takes(reading, 'e') && !takes(reading, 'E')) return true;
    if (!takes(reading, '-')) (void)takes(reading, '+');
    return take_digits(reading);
}

static bool take_word(struct reading *reading) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(reading->end - reading->at) < length) continue;
        if (memcmp(reading->at, words[i], length) != 0) continue;
        reading->at += length;
        return true;
    }
    return fails(reading, "no value");
}

static bool take_value(struct reading *reading, int depth);

/* An object if `close` is "}", else an array. */
static bool take_members(struct reading *reading, char close, int depth) {
    reading->at++;
    skip_space(reading);
    if (takes(reading, close)) return true;
    for (;;) {
        skip_space(reading);
        if (close == '}') {
            if (!take_string(reading)) return false;
            skip_space(reading);
            if (!takes(reading, ':')) return fails(reading, "a colon is missing");
        }
        if (!take_value(reading, depth + 1)) return false;
        skip_space(reading);
        if (takes(reading, close)) return true;
        if (!takes(reading, ',')) return fails(reading, "a comma or the end is missing");
    }
}

static bool take_value(struct reading *reading, int depth) {
    skip_space(reading);
    if (reading->at == reading->end) return fails(reading, "a value is missing");
    if (depth > JSON_DEPTH) return fails(reading, "nested too deeply");
    switch (*reading->at) {
    case '{':
        return take_members(reading, '}', depth);
    case '[':
        return take_members(reading, ']', depth);
    case '"':
        return take_string(reading);
    case '-':
        return take_number(reading);
    default:
        return *reading->at >= '0' && *reading->at <= '9' ? take_number(reading)
                                                          : take_word(reading);
    }
}

bool json_check(const char *text, size_t length, const char **why) {
    struct reading reading = {.at = text, .end = text + length};
    skip_space(&reading);
    bool is_good = reading.at < reading.end && *reading.at == '{';
    if (!is_good) fails(&reading, "no object");
    is_good = is_good && take_value(&reading, 1);
    skip_space(&reading);
    if (is_good && reading.at != reading.end) is_good = fails(&reading, "more than one value");
    *why = reading.why;
    return is_good;
}

bool json_find(const char *object, size_t length, const char *name, const char **value,
               size_t *value_length) {
    struct reading reading = {.at = object, .end = object + length};
    size_t name_length = strlen(name);
    skip_space(&reading);
    reading.at++;
    skip_space(&reading);
    while (!takes(&reading, '}')) {
        skip_space(&reading);
        const char *key = reading.at + 1;
        if (!take_string(&reading)) return false;
        size_t key_length = (size_t)(reading.at - 1 - key);
        skip_space(&reading);
        if (!takes(&reading, ':')) return false;
        skip_space(&reading);
        const char *begin = reading.at;
        if (!take_value(&reading, 1)) return false;
        if (key_length == name_length && memcmp(key, name, name_length) == 0) {
            *value = begin;
            *value_length = (size_t)(reading.at - begin);
            return true;
        }
        skip_space(&reading);
        (void)takes(&reading, ',');
        skip_space(&reading);
    }
    return false;
}

static unsigned read_hex(const char *digits) {
    unsigned sum = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)digits[i];
        sum = sum * 16 + (c <= '9' ? c - '0' : (c & 15) + 9);
    }
    return sum;
}

/* The code point behind "\u" at `at`, and how many bytes it took; 0: not one that a text has. */
static unsigned read_escaped(const char *at, size_t room, size_t *taken) {
    unsigned code = read_hex(at + 2);
    *taken = 6;
    if (code < 0xd800 || code > 0xdfff) return code;
    if (code > 0xdbff || room < 12 || at[6] != '\\' || at[7] != 'u') return 0;
    unsigned low = read_hex(at + 8);
    *taken = 12;
    return low < 0xdc00 || low > 0xdfff ? 0 : 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

static size_t put_utf8(char *bytes, unsigned code) {
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--, code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(first[length] | code);
    return length;
}

bool json_read_text(const char *value, size_t length, char *text, size_t size) {
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    size_t used = 0;
    if (length < 2 || value[0] != '"') return false;
    for (size_t i = 1, taken; i < length - 1; i += taken) {
        char bytes[4] = {value[i]};
        size_t count = 1;
        taken = 1;
        if (value[i] == '\\') {
            const char *letter = strchr(letters, value[i + 1]);
            unsigned code =
                (unsigned char)(letter != NULL ? meant[letter - letters] : value[i + 1]);
            taken = 2;
            if (value[i + 1] == 'u') code = read_escaped(value + i, length - 1 - i, &taken);
            if (code == 0) return false;
            count = put_utf8(bytes, code);
        }
        if (size - used <= count) return false;
        memcpy(text + used, bytes, count);
        used += count;
    }
    text[used] = '\0';
    return true;
}

bool json_read_number(const char *value, size_t length, double *number) {
    char text[64];
    if (length == 0 || length >= sizeof text ||
        (value[0] != '-' && (value[0] < '0' || value[0] > '9')))
        return false;
    memcpy(text, value, length);
    text[length] = '\0';
    *number = strtod(text, NULL);
    return isfinite(*number);
}
