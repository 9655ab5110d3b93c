/* Avro's variable-length integers: zigzag, then 7 bits a byte, lowest first. */
#ifndef MILLRACE_VARINT_H
#define MILLRACE_VARINT_H

#include <stdint.h>

/* Zigzag: small magnitudes of either sign become small unsigned numbers. */
uint32_t millrace_zigzag(int32_t value);
uint64_t millrace_zigzag_long(int64_t value);

/* Bytes that an unsigned number takes: 1 to 10. */
uint8_t millrace_varint_length(uint64_t value);

/* Writes an unsigned number; returns the bytes written. */
uint8_t millrace_varint_write(uint8_t *out, uint64_t value);

/* Reads a zigzag number of at most `length` bytes into value; returns the bytes read, 0 when it is cut off or longer
 * than an int64_t. */
uint8_t millrace_varint_read(const uint8_t *bytes, uint16_t length, int64_t *value);

#endif
