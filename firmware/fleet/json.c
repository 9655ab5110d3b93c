#include "json.h"

#include <string.h>

#include "raw_value.h"
#include "time_text.h"

/* A number, or null: a sign, the 19 digits of a 64-bit integer, a point and 12 decimals. */
#define VALUE_MAX 34

static char *add(char *end, const char *text) {
  size_t length = strlen(text);
  memcpy(end, text, length);
  return end + length;
}

uint16_t json_write(const struct firmware *firmware, int64_t time_ms, const int32_t *values, char *out) {
  char *end = add(out, "{\"ts\":\"");
  time_text_write(time_ms, end);
  end += TIME_TEXT_LENGTH;
  *end++ = '"';
  for (uint8_t m = 0; m < firmware->schema->metric_count; m++) {
    char value[VALUE_MAX + 1] = "";
    end = add(end, ",\"");
    end = add(end, firmware->metrics[m].standard);
    end = add(end, "\":");
    if (values[m] != firmware->schema->missing[m]) raw_value_text(values[m], &firmware->metrics[m], value, sizeof value);
    end = add(end, *value == '\0' ? "null" : value);
  }
  *end++ = '}';
  return (uint16_t)(end - out);
}

size_t json_longest(const struct firmware *firmware) {
  size_t length = strlen("{\"ts\":\"\"}") + TIME_TEXT_LENGTH;
  for (uint8_t m = 0; m < firmware->schema->metric_count; m++)
    length += strlen(",\"\":") + strlen(firmware->metrics[m].standard) + VALUE_MAX;
  return length;
}
