#include "script/extent.h"
#include "script/near.h"
#include "script/number.h"
#include "script/parser.h"

namespace gradproof {

std::uint32_t Parser::read(const Subject& subject, bool reuse) {
  if (reuse && ends_reading(script_, script_.steps.size(), subject))
    return static_cast<std::uint32_t>(script_.steps.size() - 1);
  if (lanes_) fail(token_, "no reading within a lane: read after 'end parallel'");
  const ValueId seen = subject.gradient ? script_.grad_of(subject.value) : subject.value;
  const std::uint32_t step = script_.read(seen);
  last_read_[seen] = step;
  return step;
}

// A value keeps its memory, so an earlier read of it will do; a gradient may have been replaced since.
std::uint32_t Parser::read_of_other(const Subject& subject) {
  const auto found = subject.gradient ? last_read_.end() : last_read_.find(subject.value);
  return found != last_read_.end() ? found->second : read(subject, false);
}

// After 'expect'.
void Parser::expectation() {
  Expectation expectation;
  expectation.line = static_cast<std::uint32_t>(token_.line);
  if (take_if("error")) {
    const Token kind = take();
    const auto error = error_kind_named(kind.text);
    if (kind.kind != Token::Kind::word || !error || *error == GP_OK) {
      NearWords near(kind.text);
      for (int i = GP_OK + 1; i <= GP_OTHER; ++i) near.offer(name_of(static_cast<gp_error_kind>(i)));
      fail(kind, "a kind of error" + near_text(near.best()));
    }
    if (script_.steps.empty()) fail(kind, "a step before it that could fail");
    expectation.kind = Expectation::Kind::error;
    expectation.error = *error;
    expectation.step = static_cast<std::uint32_t>(script_.steps.size() - 1);
    script_.expectations.push_back(std::move(expectation));
    return;
  }
  const Subject about = subject();
  const Token word = take();
  if (word.is("shares") || word.is("separate")) {
    expectation.kind = word.is("shares") ? Expectation::Kind::shares : Expectation::Kind::separate;
    shared_memory(about, expectation);
  } else {
    expectation.step = read(about, true);
    if (word.is("=") || word.is("==")) {
      expectation.kind = word.is("=") ? Expectation::Kind::digits : Expectation::Kind::exact;
      expected_numbers(expectation);
    } else if (word.is("enclosed")) {
      expectation.kind = Expectation::Kind::enclosed;
    } else if (word.is("undefined")) {
      expectation.kind = Expectation::Kind::undefined;
    } else if (word.is("unwritten")) {
      expectation.kind = Expectation::Kind::unwritten;
    } else if (word.is("written")) {
      expectation.kind = Expectation::Kind::written;
    } else {
      fail(word, "'=', '==', 'enclosed', 'undefined', 'unwritten', 'written', 'shares' or 'separate'");
    }
  }
  script_.expectations.push_back(std::move(expectation));
}

void Parser::shared_memory(const Subject& about, Expectation& expectation) {
  expectation.other_step = read_of_other(subject());
  expectation.step = read(about, true);
}

// "[f32][shape] 1 2 3", the numbers in brackets where they go over several lines.
void Parser::expected_numbers(Expectation& expectation) {
  const Token start = token_;
  std::uint64_t elements = 0;
  if (!at_number()) {
    if (!at("[")) expectation.dtype = dtype();
    expectation.shaped = true;
    expectation.shape = integers("a size");
    const auto extent = expectation.shape.size() <= GP_MAX_DIMS ? extent_of(expectation.shape, {}, 0) : std::nullopt;
    if (!extent)
      fail(start, "a shape of at most 8 sizes, not negative, and " + std::to_string(Limits::elements) + " elements");
    elements = extent->elements;
  }
  const Token open = token_;
  const bool bracketed = expectation.shaped && take_if("[");
  const bool exact = expectation.kind == Expectation::Kind::exact;
  while (at_number()) {
    const Token number = take();
    const bool boolean = number.is("true") || number.is("false");
    if (!boolean && !parse_real<double>(number.text)) fail(number, "a number");
    const bool hexadecimal = number.text.find_first_of("xX") != std::string_view::npos;
    if (hexadecimal && !exact) fail(number, "a decimal ('==' compares with hexadecimal ones)");
    expectation.numbers.emplace_back(number.text);
  }
  if (bracketed) close(open, "]");
  if (!expectation.shaped && expectation.numbers.empty()) fail(token_, "a number");
  if (expectation.shaped && expectation.numbers.size() != elements) {
    fail(token_, std::to_string(elements) + " numbers (there are " + std::to_string(expectation.numbers.size()) + ")");
  }
}

}  // namespace gradproof
