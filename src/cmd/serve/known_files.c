/* known_files.c: see known_files.h. */
#include "known_files.h"

#define KNOWN_NS INT64_C(1000000000)

static size_t place_of(uint64_t hash) {
    return (hash ^ hash >> 32) % KNOWN_FILES;
}

bool known_files_have(const struct known_files *files, const char *path, int64_t now_ns) {
    size_t length;
    uint64_t hash = path_hash(path, &length);
    size_t at = place_of(hash);
    return files->places[at].hash == hash && now_ns < files->places[at].until_ns;
}

void known_files_note(struct known_files *files, const char *path, bool is_regular,
                      int64_t now_ns) {
    size_t length;
    uint64_t hash = path_hash(path, &length);
    size_t at = place_of(hash);
    if (is_regular && (files->places[at].hash != hash || files->places[at].until_ns <= now_ns)) {
        files->places[at].hash = hash;
        files->places[at].until_ns = now_ns + KNOWN_NS;
    } else if (!is_regular && files->places[at].hash == hash) {
        files->places[at].until_ns = 0;
    }
}
