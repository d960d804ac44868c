/* mime.c: see mime.h. */
#include "mime.h"

#define TEXT(type) type "; charset=utf-8"

enum { EXTENSION_MAX = 11 };

/* In the order of their bytes, for the search. */
static const struct mime {
    char extension[EXTENSION_MAX + 1];
    const char *type;
} types[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"apk", "application/vnd.android.package-archive"},
    {"apng", "image/apng"},
    {"atom", TEXT("application/atom+xml")},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", TEXT("text/plain")},
    {"cc", TEXT("text/plain")},
    {"conf", TEXT("text/plain")},
    {"cpp", TEXT("text/plain")},
    {"css", TEXT("text/css")},
    {"csv", TEXT("text/csv")},
    {"deb", "application/vnd.debian.binary-package"},
    {"diff", TEXT("text/plain")},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"eot", "application/vnd.ms-fontobject"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"go", TEXT("text/plain")},
    {"gz", "application/gzip"},
    {"h", TEXT("text/plain")},
    {"hpp", TEXT("text/plain")},
    {"htm", TEXT("text/html")},
    {"html", TEXT("text/html")},
    {"ico", "image/x-icon"},
    {"ics", TEXT("text/calendar")},
    {"ini", TEXT("text/plain")},
    {"iso", "application/x-iso9660-image"},
    {"jar", "application/java-archive"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", TEXT("text/javascript")},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"log", TEXT("text/plain")},
    {"m4a", "audio/mp4"},
    {"m4v", "video/mp4"},
    {"map", "application/json"},
    {"md", TEXT("text/markdown")},
    {"mid", "audio/midi"},
    {"mjs", TEXT("text/javascript")},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"patch", TEXT("text/plain")},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"py", TEXT("text/plain")},
    {"rar", "application/vnd.rar"},
    {"rpm", "application/x-rpm"},
    {"rs", TEXT("text/plain")},
    {"rss", TEXT("application/rss+xml")},
    {"rst", TEXT("text/plain")},
    {"rtf", "application/rtf"},
    {"sh", TEXT("text/plain")},
    {"sql", TEXT("text/plain")},
    {"svg", TEXT("image/svg+xml")},
    {"svgz", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tgz", "application/gzip"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"toml", TEXT("application/toml")},
    {"ttf", "font/ttf"},
    {"txt", TEXT("text/plain")},
    {"vtt", TEXT("text/vtt")},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", TEXT("application/xhtml+xml")},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", TEXT("text/xml")},
    {"xz", "application/x-xz"},
    {"yaml", TEXT("application/yaml")},
    {"yml", TEXT("application/yaml")},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

static const char *find(const char *extension) {
    size_t low = 0, high = sizeof types / sizeof types[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *other = types[middle].extension;
        size_t i = 0; /* most differ in the first bytes, long before a call would pay */
        while (extension[i] == other[i] && extension[i] != '\0') i++;
        if (extension[i] == other[i]) return types[middle].type;
        if ((unsigned char)extension[i] < (unsigned char)other[i])
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *mime_type(const char *path, size_t length) {
    const char *unknown = "application/octet-stream", *type = NULL;
    size_t start = length;
    while (start > 0 && path[start - 1] != '.' && path[start - 1] != '/') start--;
    /* ".profile" is a name, not an extension. */
    if (start < 2 || path[start - 1] != '.' || path[start - 2] == '/') return unknown;
    char extension[EXTENSION_MAX + 1] = {0};
    if (length - start > EXTENSION_MAX) return unknown;
    for (size_t i = 0; start + i < length; i++) {
        char byte = path[start + i];
        extension[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
    }
    type = find(extension);
    return type != NULL ? type : unknown;
}
