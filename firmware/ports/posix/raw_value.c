#include "raw_value.h"

#include <stdio.h>
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

/* above / below in decimal text, with at most this many digits after the point. */
#define DECIMALS_MAX 12

static void fraction_text(__int128 above, __int128 below, char *text, size_t size) {
  char decimals[DECIMALS_MAX + 1] = "";
  int count = 0;
  if (below < 0) {
    above = -above;
    below = -below;
  }
  bool negative = above < 0;
  if (negative) above = -above;
  for (__int128 rest = above % below * 10; rest > 0 && count < DECIMALS_MAX; rest = rest % below * 10)
    decimals[count++] = (char)('0' + (int)(rest / below));
  decimals[count] = '\0';
  snprintf(text, size, "%s%lld%s%s", negative ? "-" : "", (long long)(above / below), count > 0 ? "." : "", decimals);
}

static void value_text(__int128 raw, const struct millrace_metric *metric, char *text, size_t size) {
  fraction_text(raw * metric->numerator + metric->addend, metric->denominator, text, size);
}

void raw_value_text(int32_t raw, const struct millrace_metric *metric, char *text, size_t size) {
  if (metric->code_count == 0) {
    value_text(raw, metric, text, size);
    return;
  }
  *text = '\0';
  for (uint16_t i = 0; i < metric->code_count; i++)
    if (metric->codes[i].code == raw) snprintf(text, size, "%s", metric->codes[i].value);
}

/* Decimals of a metric whose steps are 1, 0.1, 0.01 ...; -1: its steps are others. */
static int decimals_of(const struct millrace_metric *metric) {
  int64_t power = 1;
  for (int decimals = 0; decimals <= DECIMALS_MAX; decimals++, power *= 10) {
    __int128 step = (__int128)metric->numerator * power;
    if (step == metric->denominator || step == -(__int128)metric->denominator)
      return (__int128)metric->addend * power % metric->denominator == 0 ? decimals : -1;
  }
  return -1;
}

void raw_value_holds(const struct millrace_metric *metric, char *text, size_t size) {
  char one[64], other[64], step[64];
  if (metric->code_count > 0) {
    size_t length = (size_t)snprintf(text, size, "one of");
    for (uint16_t i = 0; i < metric->code_count && length < size; i++)
      length += (size_t)snprintf(text + length, size - length, "%s %s", i == 0 ? "" : ",", metric->codes[i].value);
    return;
  }
  bool falls = (metric->numerator < 0) != (metric->denominator < 0);
  value_text(falls ? INT32_MAX : INT32_MIN, metric, one, sizeof one);
  value_text(falls ? INT32_MIN : INT32_MAX, metric, other, sizeof other);
  if (decimals_of(metric) >= 0) {
    snprintf(text, size, "%d decimals, from %s to %s", decimals_of(metric), one, other);
    return;
  }
  fraction_text(falls ? -(__int128)metric->numerator : metric->numerator, metric->denominator, step, sizeof step);
  snprintf(text, size, "steps of %s, from %s to %s", step, one, other);
}
