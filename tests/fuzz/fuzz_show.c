/* fuzz_show.c: any bytes as the file of a recording, and as a text in JSON. A file that is taken
 * has a hello and then events in the order of their times, each an object; one that is not is
 * refused with the line and the reason. A text becomes a string that JSON can have. */
#include <errno.h>

#include "fuzz.h"
#include "json.h"
#include "show_playback.h"

enum { TEXT_MAX = 200 };

static void check_lines(const struct show_playback *playback) {
    const char *why = NULL, *value;
    size_t length;
    FUZZ_CHECK(playback->count > 0 && strcmp(playback->lines[0].event, "hello") == 0);
    for (size_t i = 0; i < playback->count; i++) {
        const struct show_line *line = &playback->lines[i];
        FUZZ_CHECK(line->at_ms >= 0 && (i == 0 || line->at_ms >= line[-1].at_ms));
        FUZZ_CHECK(line->data >= playback->text &&
                   line->data + line->data_bytes <= playback->text + playback->bytes);
        FUZZ_CHECK(line->data_bytes <= (line->is_answer ? PLAYBACK_ANSWER_MAX : PLAYBACK_DATA_MAX));
        FUZZ_CHECK(json_check(line->data, line->data_bytes, &why));
        FUZZ_CHECK(memchr(line->data, '\n', line->data_bytes) == NULL);
    }
    FUZZ_CHECK(json_check(playback->hello, playback->hello_bytes, &why));
    FUZZ_CHECK(json_find(playback->hello, playback->hello_bytes, "recorded", &value, &length));
    FUZZ_CHECK(length == 4 && memcmp(value, "true", 4) == 0);
}

static void check_file(const uint8_t *data, size_t size) {
    struct show_playback playback;
    char error[128] = "";
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    int err = show_playback_parse(&playback, text, size, error, sizeof error);
    FUZZ_CHECK(err == 0 || err == -EINVAL);
    FUZZ_CHECK((err == 0) == (error[0] == '\0'));
    FUZZ_CHECK(err == 0 || strncmp(error, "line ", 5) == 0);
    if (err == 0) check_lines(&playback);
    show_playback_free(&playback);
}

static void check_text(const uint8_t *data, size_t size) {
    char text[TEXT_MAX + 1], object[8 * TEXT_MAX];
    const char *why = NULL;
    struct json json;
    if (size > TEXT_MAX) size = TEXT_MAX;
    memcpy(text, data, size);
    text[size] = '\0';
    json_begin(&json, object, sizeof object);
    json_add(&json, "{\"text\":");
    json_add_text(&json, text);
    json_add(&json, "}");
    FUZZ_CHECK(!json.is_cut && json.used == strlen(object));
    FUZZ_CHECK(json_check(object, json.used, &why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_file(data, size);
    check_text(data, size);
    return 0;
}
