/* serve_check.c: compares answers with what was asked.
 * Threading: one context runs at a time. */
#include "serve_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "serve_echo.h"
#include "serve_path.h"

enum {
    NODES_MAX = 64,
    TAG_BYTES = 64,
    PARTS_MAX = 16,
    PAGE_BYTES_MAX = 2048,
};

/* Of the files that do not move: a tag may not change as long as the file does not. */
static char tags[2][NODES_MAX]
                [TAG_BYTES]; /* of what is asked for by its name, and beside another */

void ask_begin(void) {
    memset(tags, 0, sizeof tags);
    ask_set_precompressed(false);
}

static char *tag_of(const struct ask *ask) {
    return tags[ask_is_compressed(ask)][ask->node - tree_at(0)];
}

const char *ask_etag(const struct ask *ask) {
    return tag_of(ask);
}

/* --- Pages --- */

static const char *check_page(const struct answer *answer, const char *body) {
    char title[32];
    if (answer->length <= 0 || answer->length > PAGE_BYTES_MAX) return "the length of a page";
    if (answer->body_bytes == 0) return NULL;
    snprintf(title, sizeof title, "<title>%d ", answer->status);
    if (memmem(body, answer->body_bytes, title, strlen(title)) == NULL)
        return "the title of a page";
    return NULL;
}

static const char *check_redirect(const struct ask *ask, const struct answer *answer) {
    struct answer_text location = answer->headers[ANSWER_LOCATION];
    char path[ASK_PATH_BYTES];
    const char *query = memchr(location.bytes, '?', location.length);
    size_t length = query != NULL ? (size_t)(query - location.bytes) : location.length;
    if (length < 2 || location.bytes[0] != '/' || location.bytes[1] == '/') return "Location";
    if (location.bytes[length - 1] != '/') return "Location without its slash";
    if (!serve_path(path, sizeof path, location.bytes, length)) return "Location of no path";
    if (strcmp(path, ask->path) != 0) return "Location of another directory";
    return NULL;
}

/* --- Listings --- */

/* The child of the directory that a row links to, or NULL. */
static const struct tree_node *child_of(const struct tree_node *directory, const char *link,
                                        size_t length) {
    char name[128], path[256];
    const char *query = memchr(link, '?', length);
    if (query != NULL) length = (size_t)(query - link);
    if (!serve_path(name, sizeof name, link, length)) return NULL;
    bool has_slash = length > 0 && link[length - 1] == '/';
    snprintf(path, sizeof path, "%s%s%s", directory->path, directory->path[0] != '\0' ? "/" : "",
             name);
    const struct tree_node *child = tree_find(path);
    if (child == NULL || name[0] == '.' || name[0] == '\0') return NULL;
    return (child->kind == TREE_DIRECTORY) == has_slash ? child : NULL;
}

static int count_children(const struct tree_node *directory) {
    int count = 0;
    size_t above = strlen(directory->path);
    for (size_t i = 1; i < tree_count(); i++) {
        const char *path = tree_at(i)->path;
        const char *name = path;
        if (above > 0) {
            if (strncmp(path, directory->path, above) != 0 || path[above] != '/') continue;
            name = path + above + 1;
        }
        if (name[0] == '.' || strchr(name, '/') != NULL || tree_at(i)->is_moving) continue;
        count += tree_find(path) != NULL;
    }
    return count;
}

static const char *check_listing(const struct tree_node *directory, const struct answer *answer,
                                 const char *body, bool is_foul) {
    static const char link[] = "<a href=\"./";
    if (answer->length >= 0) return "a listing of a known length";
    if (answer->body_bytes == 0) return NULL;
    const char *end = body + answer->body_bytes;
    const char *at = memmem(body, answer->body_bytes, "<tbody>", 7);
    if (at == NULL || memcmp(end - 8, "</html>\n", 8) != 0) return "a listing that is not whole";
    int count = 0;
    for (;;) {
        at = memmem(at, (size_t)(end - at), link, sizeof link - 1);
        if (at == NULL) break;
        at += sizeof link - 1;
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const struct tree_node *child = child_of(directory, at, (size_t)(quote - at));
        if (child == NULL) return "a listing of what is not there";
        count += !child->is_moving;
    }
    if (count > count_children(directory)) return "a listing with something twice";
    if (!is_foul && count < count_children(directory)) return "a listing that leaves something out";
    return NULL;
}

/* --- Files --- */

static const char *check_tag(const struct ask *ask, const struct answer *answer) {
    struct answer_text tag = answer->headers[ANSWER_ETAG];
    char *known = tag_of(ask);
    if (ask->node->is_moving) return NULL;
    if (tag.length >= TAG_BYTES) return "a long ETag";
    if (known[0] != '\0' && !answer_text_is(tag, known)) return "an ETag that changes";
    memcpy(known, tag.bytes, tag.length);
    return NULL;
}

static const char *check_part(const struct tree_node *node, const struct answer_part *part) {
    bool is_long = node->is_moving ? tree_was_long((size_t)part->size)
                                   : tree_bytes_of(node) == (size_t)part->size;
    if (!is_long) return "the size of the file";
    size_t bytes = (size_t)(part->last - part->first + 1);
    if (part->bytes == NULL) return NULL;
    if (memcmp(part->bytes, tree_bytes_from(node) + part->first, bytes) != 0)
        return "the bytes of the file";
    return NULL;
}

static const char *check_ranges(const struct ask *ask, const struct answer *answer,
                                const char *body) {
    struct answer_part parts[PARTS_MAX] = {{.bytes = body}};
    int count = 1;
    if (answer->headers[ANSWER_RANGE].bytes != NULL)
        (void)answer_read_range(answer->headers[ANSWER_RANGE], &parts[0].first, &parts[0].last,
                                &parts[0].size);
    else
        count = answer_read_parts(answer, body, parts, PARTS_MAX);
    if (count < 1) return "a body of several ranges";
    if (ask->status != 0 && count != ask->ranges) return "the number of ranges";
    for (int i = 0; i < count; i++) {
        const char *broken = check_part(ask->node, &parts[i]);
        if (broken != NULL) return broken;
        if (ask->status == 0) continue;
        if (parts[i].first != ask->range[i].first || parts[i].last != ask->range[i].last)
            return "another range";
    }
    return NULL;
}

static const char *check_file(const struct ask *ask, const struct answer *answer,
                              const char *body) {
    int64_t size = answer->length;
    if (answer->status == 412 || answer->status == 416) return check_page(answer, body);
    if (answer->headers[ANSWER_ETAG].bytes == NULL) return "a status that no file has";
    const char *broken = check_tag(ask, answer);
    if (broken != NULL || answer->status == 304) return broken;
    bool is_gzip = answer_text_is(answer->headers[ANSWER_ENCODING], "gzip");
    if (is_gzip != ask_is_compressed(ask)) return "Content-Encoding";
    if (is_gzip && !answer_text_is(answer->headers[ANSWER_VARY], "Accept-Encoding")) return "Vary";
    if (answer->status == 206)
        return ask->is_head ? "ranges of a HEAD" : check_ranges(ask, answer, body);
    struct answer_part all = {0, size - 1, size, answer->body_bytes > 0 ? body : NULL};
    return check_part(ask->node, &all);
}

/* Calls have failed: the file itself is as good as the compressed one, whatever was to be found out
 * of that. */
static bool shows_itself(const struct ask *ask, const struct answer *answer) {
    static const char end[] = "-gzip\"";
    struct answer_text tag = answer->headers[ANSWER_ETAG];
    size_t bytes = sizeof end - 1;
    if (!ask_is_compressed(ask)) return false;
    return tag.length < bytes || memcmp(tag.bytes + tag.length - bytes, end, bytes) != 0;
}

static const char *check_itself(const struct ask *ask, const struct answer *answer,
                                const char *body) {
    struct ask itself = *ask;
    itself.node = ask->itself;
    itself.status = 0;
    return check_file(&itself, answer, body);
}

/* --- Echoes --- */

/* Takes the data out of a stream of events, of which each line is a comment, a type, data, or the
 * end of an event. Returns its length, or -1: it is no such stream. */
static ssize_t read_events(const char *body, size_t length, char *data) {
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        const char *line = body + at, *end = memchr(line, '\n', length - at);
        if (end == NULL) return -1;
        size_t size = (size_t)(end - line);
        at += size + 1;
        if (size >= 6 && memcmp(line, "data: ", 6) == 0) {
            if (used + size - 6 > ECHO_BYTES_MAX) return -1;
            memcpy(data + used, line + 6, size - 6);
            used += size - 6;
        } else if (size > 0 && line[0] != ':' &&
                   (size != 11 || memcmp(line, "event: echo", 11) != 0)) {
            return -1;
        }
    }
    if (length > 0 && (length < 2 || memcmp(body + length - 2, "\n\n", 2) != 0)) return -1;
    return (ssize_t)used;
}

static const char *check_echo(const struct ask *ask, const struct answer *answer,
                              const char *body) {
    char data[ECHO_BYTES_MAX];
    size_t length = answer->body_bytes;
    if (answer_text_is(answer->headers[ANSWER_TYPE], "text/event-stream")) {
        ssize_t size = read_events(body, length, data);
        if (size < 0) return "a stream of events";
        body = data;
        length = (size_t)size;
    }
    if (length != ask->echo_bytes) return "the length of what was sent";
    for (size_t i = 0; i < ask->echo_bytes; i++)
        if (body[i] != serve_echo_byte(ask->echo_mark, i)) return "what was sent";
    return NULL;
}

/* --- All --- */

static bool is_excuse(int status) {
    return status == 403 || status == 404 || status == 500 || status == 503;
}

const char *ask_check(const struct ask *ask, const struct answer *answer, const char *body,
                      bool is_foul) {
    int status = answer->status;
    if (answer->body_bytes > 0 &&
        memmem(body, answer->body_bytes, TREE_SECRET, sizeof TREE_SECRET - 1) != NULL)
        return "what lies outside";
    if (ask->must_end && !answer->is_last) return "a connection that should end";
    /* Gone, or cut while it was read and nothing of it was sent yet. */
    bool is_gone = ask->node != NULL && ask->node->is_moving && (status == 404 || status == 500);
    if (is_gone || (is_foul && is_excuse(status))) return check_page(answer, body);
    if (is_foul && ask->directory != NULL && status == 200 &&
        answer->headers[ANSWER_ETAG].bytes == NULL)
        return check_listing(ask->directory, answer, body, is_foul);
    if (is_foul && shows_itself(ask, answer)) return check_itself(ask, answer, body);
    if (ask->status != 0 && status != ask->status) return "another status";
    switch (ask->kind) {
    case ASK_PAGE:
        return check_page(answer, body);
    case ASK_REDIRECT:
        return check_redirect(ask, answer);
    case ASK_LISTING:
        return check_listing(ask->node, answer, body, is_foul);
    case ASK_ECHO:
        return check_echo(ask, answer, body);
    case ASK_FILE:
        return check_file(ask, answer, body);
    }
    return NULL;
}
