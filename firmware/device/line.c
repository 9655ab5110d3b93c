#include "line.h"

#include <string.h>

#include "raw_value.h"
#include "time_text.h"

const char *line_parse(char *text, const struct firmware *firmware, struct line *line) {
  uint32_t seen = 0;
  char *time = strchr(text, ' ');
  char *rest;

  memcpy(line->values, firmware->schema->missing, firmware->schema->metric_count * sizeof line->values[0]);
  line->timed = time != NULL;
  if (time != NULL) {
    *time++ = '\0';
    if (!time_text_parse(time, &line->time_ms)) return "the time: expected ISO 8601, or milliseconds since 1970";
  }
  for (char *field = strtok_r(text, ",", &rest); field != NULL; field = strtok_r(NULL, ",", &rest)) {
    char *value = strchr(field, '=');
    int metric;
    if (value == NULL) return "a reading: expected quantity=value";
    *value++ = '\0';
    metric = firmware_metric(firmware, field);
    if (metric < 0) return "a quantity: the firmware does not measure it";
    if ((seen >> metric & 1) != 0) return "a quantity: it is there twice";
    seen |= UINT32_C(1) << metric;
    if (raw_value_parse(value, &firmware->metrics[metric], true, &line->values[metric]) != RAW_VALUE_OK)
      return "a value: expected a decimal number that the firmware can hold";
  }
  return seen == 0 ? "the line: expected quantity=value" : NULL;
}
