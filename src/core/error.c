/* error.c: texts for the library's errors. Threading: any thread; nothing here is shared. */
#include <eddy/base.h>

#include <string.h>

const char *eddy_strerror(int error, char *text, size_t size) {
    if (size == 0) return text;
    int positive = error < 0 ? (int)(0U - (unsigned)error) : error; /* INT_MIN stays */
    /* strerror_r comes in two kinds that only the type of the result tells apart; strerror's texts
     * are constant for known numbers in every C library, and only the unknown ones share a buffer.
     */
    const char *said = positive == 0 ? "no error" : strerror(positive);
    size_t length = strlen(said);
    if (length >= size) length = size - 1;
    memcpy(text, said, length);
    text[length] = '\0';
    return text;
}
