/* known_files.c: see known_files.h. */
#include "known_files.h"

#define KNOWN_NS INT64_C(1000000000)

bool known_files_have(const struct known_files *files, const struct path_key *key, int64_t now_ns) {
    size_t at = path_key_place(key, KNOWN_FILES);
    return files->places[at].hash == key->hash && now_ns < files->places[at].until_ns;
}

void known_files_note(struct known_files *files, const struct path_key *key, bool is_regular,
                      int64_t now_ns) {
    size_t at = path_key_place(key, KNOWN_FILES);
    bool is_noted = files->places[at].hash == key->hash;
    if (is_regular && (!is_noted || files->places[at].until_ns <= now_ns)) {
        files->places[at].hash = key->hash;
        files->places[at].until_ns = now_ns + KNOWN_NS;
    } else if (!is_regular && is_noted) {
        files->places[at].until_ns = 0;
    }
}
