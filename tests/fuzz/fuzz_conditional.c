/* fuzz_conditional.c: any lines as the values of the fields that make a request conditional; "-" is
 * one that did not come. The first byte tells whether it is a GET. */
#include "fuzz.h"

#include "conditional.h"

enum { FIELDS = 6 };

static void check(const struct conditions *in) {
    const struct validators file = {"\"tag\"", 5, 784111777, 100};
    struct ranges ranges;
    int status = conditional(in, &file, &ranges);
    bool is_ranged = status == 206 || status == 416;
    FUZZ_CHECK(is_ranged || status == 200 || status == 304 || status == 412);
    FUZZ_CHECK((status == 206) == (ranges.count > 0));
    FUZZ_CHECK(!is_ranged || (in->is_get && in->range != NULL));
    FUZZ_CHECK(status != 304 || in->if_none_match != NULL || in->if_modified_since != NULL);
    FUZZ_CHECK(status != 412 || in->if_match != NULL || in->if_unmodified_since != NULL);
    if (in->if_match != NULL && strcmp(in->if_match, "*") != 0 &&
        strstr(in->if_match, file.etag) == NULL)
        FUZZ_CHECK(status == 412);
    if (in->if_range != NULL && strstr(in->if_range, file.etag) == NULL &&
        strstr(in->if_range, "08:49:37") == NULL)
        FUZZ_CHECK(!is_ranged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *values[FIELDS] = {NULL};
    if (size == 0) return 0;
    char *bytes = malloc(size); /* all but the first, and a NUL */
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    bytes[size - 1] = '\0';
    char *at = bytes;
    for (int i = 0; i < FIELDS && at != NULL; i++) {
        char *end = strchr(at, '\n');
        if (end != NULL) *end++ = '\0';
        if (strcmp(at, "-") != 0) values[i] = at;
        at = end;
    }
    check(&(struct conditions){
        .if_match = values[0],
        .if_unmodified_since = values[1],
        .if_none_match = values[2],
        .if_modified_since = values[3],
        .if_range = values[4],
        .range = values[5],
        .is_get = (data[0] & 1) != 0,
    });
    free(bytes);
    return 0;
}
