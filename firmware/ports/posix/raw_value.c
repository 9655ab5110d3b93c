#include "raw_value.h"

#include <string.h>

/* value = digits / power, both exact. 18 digits fit an int64_t. */
struct decimal {
  int64_t digits;
  int64_t power;
};

static bool parse_decimal(const char *text, struct decimal *decimal) {
  bool negative = *text == '-';
  int count = 0;
  bool point = false;

  if (*text == '-' || *text == '+') text++;
  decimal->digits = 0;
  decimal->power = 1;
  for (; *text != '\0'; text++) {
    if (*text == '.' && !point) {
      point = true;
      continue;
    }
    if (*text < '0' || *text > '9' || ++count > 18) return false;
    decimal->digits = decimal->digits * 10 + (*text - '0');
    if (point) decimal->power *= 10;
  }
  if (negative) decimal->digits = -decimal->digits;
  return count > 0;
}

static enum raw_value parse_code(const struct decimal *value, const struct millrace_metric *metric, int32_t *raw) {
  for (uint16_t i = 0; i < metric->code_count; i++) {
    struct decimal stands_for;
    if (!parse_decimal(metric->codes[i].value, &stands_for)) continue;
    if ((__int128)value->digits * stands_for.power != (__int128)stands_for.digits * value->power) continue;
    *raw = metric->codes[i].code;
    return RAW_VALUE_OK;
  }
  return RAW_VALUE_INEXACT;
}

enum raw_value raw_value_parse(const char *text, const struct millrace_metric *metric, bool round, int32_t *raw) {
  struct decimal value;
  __int128 above;
  __int128 below;
  __int128 quotient;

  if (!parse_decimal(text, &value)) return RAW_VALUE_NOT_A_NUMBER;
  if (metric->code_count > 0) return parse_code(&value, metric, raw);
  /* raw = (digits / power * denominator - addend) / numerator */
  above = (__int128)value.digits * metric->denominator - (__int128)metric->addend * value.power;
  below = (__int128)value.power * metric->numerator;
  if (below < 0) {
    above = -above;
    below = -below;
  }
  quotient = above / below;
  if (quotient * below != above) {
    if (!round) return RAW_VALUE_INEXACT;
    quotient = (above < 0 ? above - below / 2 : above + below / 2) / below;
  }
  if (quotient < INT32_MIN || quotient > INT32_MAX || quotient == metric->missing) return RAW_VALUE_OUT_OF_RANGE;
  *raw = (int32_t)quotient;
  return RAW_VALUE_OK;
}
