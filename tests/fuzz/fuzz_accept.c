/* fuzz_accept.c: the first line as the value of Accept or Accept-Encoding and as a path, the rest
 * as a file of media types. Weights keep their limits; what is read of the file is what was
 * counted, in order, and may stand in a head. */
#include "fuzz.h"

#include "accept.h"
#include "mime.h"
#include "policy.h"
#include "wants_page.h"

static void check_list(const char *list) {
    static const char *const names[] = {"br", "*", "text/html", "q", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int weight = accept_weight(list, names[i]);
        FUZZ_CHECK(weight >= ACCEPT_UNNAMED && weight <= ACCEPT_MOST);
    }
    (void)wants_page(list, list);
    struct policy open = {.shows_hidden = true};
    FUZZ_CHECK(!policy_hides_path(&open, list));
    if (list[0] != '.' && strstr(list, "/.") == NULL)
        FUZZ_CHECK(!policy_hides_path(&policy_default, list));
}

static void check_types(const char *text) {
    struct mime_map map = {0};
    struct text count = {0};
    const char *error = NULL;
    size_t line = mime_map_read(&map, &count, text, &error);
    FUZZ_CHECK((line > 0) == (error != NULL));
    if (line > 0) return;
    size_t entries = map.count;
    char *strings = malloc(count.length + 1);
    map.own = malloc((entries + 1) * sizeof *map.own);
    FUZZ_CHECK(strings != NULL && map.own != NULL);
    struct text bytes = {strings, count.length, 0};
    FUZZ_CHECK(mime_map_read(&map, &bytes, text, &error) == 0);
    FUZZ_CHECK(bytes.length == count.length && map.count <= entries);
    for (size_t i = 0; i < map.count; i++) {
        const struct mime_own *own = &map.own[i];
        char path[128];
        int length = snprintf(path, sizeof path, "a.%s", own->extension);
        FUZZ_CHECK(i == 0 || strcmp(map.own[i - 1].extension, own->extension) < 0);
        FUZZ_CHECK(mime_type(&map, path, (size_t)length) == own->type);
        FUZZ_CHECK(strlen(own->type) <= MIME_TYPE_BYTES + sizeof "; charset=utf-8");
        for (const char *at = own->type; *at != '\0'; at++)
            FUZZ_CHECK((unsigned char)*at >= ' ' && (unsigned char)*at < 0x7f);
    }
    free(map.own);
    free(strings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    char *rest = strchr(text, '\n');
    if (rest != NULL) *rest++ = '\0';
    check_list(text);
    check_types(rest != NULL ? rest : text);
    free(text);
    return 0;
}
