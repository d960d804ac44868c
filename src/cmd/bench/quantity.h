/* quantity.h: numbers for people: three digits that count, with a unit; what is not known is "-".
 * Each returns `text`. */
#ifndef EDDY_CMD_BENCH_QUANTITY_H
#define EDDY_CMD_BENCH_QUANTITY_H

#include <stddef.h>

const char *text_of_time(char *text, size_t size, double ns);
const char *text_of_count(char *text, size_t size, double count);
const char *text_of_bytes(char *text, size_t size, double bytes);
const char *text_of_ratio(char *text, size_t size, double ratio);
/* Of "1 connections" and its like takes the "s", wherever they stand in `text`. */
const char *text_of_one(char *text);

#endif
