#include <algorithm>

#include "script/extent.h"
#include "script/number.h"
#include "script/parser.h"

namespace gradproof {

bool Parser::at_number() const { return token_.kind == Token::Kind::number || at("true") || at("false"); }

gp_dtype Parser::dtype() {
  const auto named = token_.kind == Token::Kind::word ? dtype_named(token_.text) : std::nullopt;
  if (!named) fail(token_, "a dtype: f16, bf16, f32, f64, i64 or bool");
  take();
  return *named;
}

ValueId Parser::tensor(bool leaf) {
  const Token start = token_;
  TensorSpec spec;
  spec.dtype = dtype();
  spec.requires_grad = leaf;
  if (leaf && !is_floating(spec.dtype)) fail(start, "a dtype that has gradients: f16, bf16, f32 or f64");
  const Token shape = token_;
  spec.shape = integers("a size");
  if (spec.shape.size() > GP_MAX_DIMS) fail(shape, "at most 8 dimensions");
  Contents contents;
  contents.at = token_;
  while (tensor_word(spec, contents)) {
  }
  return make_tensor(start, spec, contents);
}

// One word after the shape with what belongs to it; false where the tensor ends.
bool Parser::tensor_word(TensorSpec& spec, Contents& contents) {
  const Token word = token_;
  if (at_number() || at("[")) {
    if (contents.given) fail(word, "numbers once");
    numbers(spec.dtype, contents, at("["));
  } else if (at("strides") && spec.strides.empty()) {
    take();
    spec.strides = integers("a stride");
    if (spec.strides.size() != spec.shape.size())
      fail(word, std::to_string(spec.shape.size()) + " strides, one for each dimension");
  } else if (at("offset") && spec.offset == 0) {
    take();
    spec.offset = integer("an offset in elements");
  } else if (at("buffer") && !contents.whole_buffer) {
    take();
    buffer_word(spec, contents);
  } else if ((at("zeros") || at("empty")) && spec.memory == GP_GIVEN) {
    spec.memory = take().text == "zeros" ? GP_ZEROS : GP_EMPTY;
  } else if (at("pinned") && !spec.pinned) {
    take();
    spec.pinned = true;
  } else if (at("device") && spec.device == GP_CPU) {
    take();
    if (!at("cuda") && !at("cpu")) fail(token_, "'cpu' or 'cuda'");
    spec.device = take().text == "cuda" ? GP_CUDA : GP_CPU;
  } else {
    return false;
  }
  return true;
}

// "buffer 7" says how many elements zeros or empty memory has, "buffer [1 2 3]" also what they are.
void Parser::buffer_word(TensorSpec& spec, Contents& contents) {
  const Token at_size = token_;
  contents.whole_buffer = true;
  if (at("[")) {
    if (contents.given) fail(at_size, "numbers once");
    return numbers(spec.dtype, contents, true);
  }
  const Index size = integer("a number of elements or '['");
  if (size < 1 || size > static_cast<Index>(Limits::elements))
    fail(at_size, "1 to " + std::to_string(Limits::elements) + " elements");
  spec.buffer_elements = static_cast<std::uint64_t>(size);
}

void Parser::numbers(gp_dtype dtype, Contents& contents, bool bracketed) {
  contents.given = true;
  contents.at = token_;
  const Token open = token_;
  if (bracketed) take();
  const std::size_t size = size_of(dtype);
  while (at_number()) {
    if (contents.count == Limits::elements) fail(token_, "at most " + std::to_string(Limits::elements) + " elements");
    if (contents.bytes.size() < (contents.count + 1) * size)
      contents.bytes.resize(std::max<std::size_t>(64, contents.bytes.size() * 2));
    if (!store_number(dtype, token_.text, contents.bytes.data() + contents.count * size)) {
      fail(token_, std::string("a number that ") + name_of(dtype) + " can hold");
    }
    ++contents.count;
    take();
  }
  if (bracketed) close(open, "]");
}

ValueId Parser::make_tensor(const Token& start, TensorSpec& spec, const Contents& contents) {
  const auto extent = extent_of(spec.shape, spec.strides, spec.offset);
  if (!extent) {
    fail(start, "shape, strides and offset that are not negative and reach at most " +
                    std::to_string(Limits::elements) + " elements");
  }
  const bool given = spec.memory == GP_GIVEN;
  if (!given && contents.given) fail(contents.at, "no numbers after 'zeros' or 'empty'");
  if (given && spec.buffer_elements != 0)
    fail(start, "'zeros' or 'empty' with 'buffer N', or the numbers as 'buffer [...]'");
  if (given && contents.whole_buffer) {
    if (contents.count < extent->reach)
      fail(contents.at, "a buffer of at least " + std::to_string(extent->reach) + " numbers");
  } else if (given && contents.count != extent->reach) {
    fail(contents.count == 0 ? token_ : contents.at, std::to_string(extent->reach) + " numbers (there are " +
                                                         std::to_string(contents.count) + "), 'zeros' or 'empty'");
  }
  if (given) spec.buffer_elements = contents.count;
  if (spec.buffer_elements != 0 && spec.buffer_elements < extent->reach)
    fail(start, "a buffer of at least " + std::to_string(extent->reach) + " elements");
  elements_ += std::max({extent->elements, extent->reach, spec.buffer_elements});
  if (elements_ > Limits::elements) fail(start, "at most " + std::to_string(Limits::elements) + " elements in all");
  const ValueId id = script_.tensor(spec);
  const gp_tensor& made = script_.tensor_of(id);
  if (given && contents.count > 0) {
    std::copy_n(contents.bytes.begin(), contents.count * size_of(spec.dtype),
                script_.data.begin() + static_cast<std::ptrdiff_t>(made.data));
  }
  return id;
}

}  // namespace gradproof
