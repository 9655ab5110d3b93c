#include "millrace/varint.h"

/* Sign arithmetic instead of a shift of a negative number, which C leaves to the compiler. */
uint32_t millrace_zigzag(int32_t value) { return ((uint32_t)value << 1) ^ (value < 0 ? UINT32_MAX : 0); }

uint64_t millrace_zigzag_long(int64_t value) { return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0); }

uint8_t millrace_varint_length(uint64_t value) {
  uint8_t length = 1;
  while (value > 0x7F) {
    value >>= 7;
    length++;
  }
  return length;
}

uint8_t millrace_varint_write(uint8_t *out, uint64_t value) {
  uint8_t length = 0;
  while (value > 0x7F) {
    out[length++] = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  out[length++] = (uint8_t)value;
  return length;
}

uint8_t millrace_varint_read(const uint8_t *bytes, uint16_t length, int64_t *value) {
  uint64_t sum = 0;
  uint8_t count = 0;

  while (count < length && count < 10 && bytes[count] > 0x7F) count++;
  if (count >= length || count == 10 || (count == 9 && bytes[9] > 1)) return 0;
  /* From the last byte to the first, so that every shift is by a constant. */
  for (unsigned i = (uint8_t)(count + 1); i-- > 0;) sum = sum << 7 | (bytes[i] & 0x7F);
  *value = (int64_t)((sum >> 1) ^ (0 - (sum & 1)));
  return (uint8_t)(count + 1);
}
