#include "engine/registry.h"

#include "engine/operators/families.h"

namespace gradproof {

namespace {

// "mul.Tensor(Tensor self, …) -> Tensor" written into self: "mul_.Tensor(Tensor(a!) self, …) -> Tensor(a!)".
Schema in_place_twin(const Schema& schema) {
  Schema twin = schema;
  twin.name += "_";
  twin.args.front().written = true;
  const std::string head = schema.full_name() + "(Tensor ";
  twin.text = twin.full_name() + "(Tensor(a!) " + schema.text.substr(head.size());
  twin.text.resize(twin.text.rfind("Tensor"));
  twin.text += "Tensor(a!)";
  return twin;
}

bool is_tensor(ArgType type) { return type == ArgType::tensor || type == ArgType::tensor_list; }

}  // namespace

Entry& Registry::enter(const Record& record) {
  Entry& entry = entries_.emplace_back();
  entry.record = record;
  entry.schema = parse_schema(record.schema);
  const std::size_t equals = record.variant.find('=');
  if (equals != std::string_view::npos) {
    entry.variant_arg = record.variant.substr(0, equals);
    entry.variant_value = record.variant.substr(equals + 1);
  }
  for (const std::size_t other : find(entry.schema.name, entry.schema.overload)) {
    if (entries_[other].id() == entry.id()) throw std::logic_error("two records of " + entry.id());
  }
  for (const SchemaArg& arg : entry.schema.args) entry.tensor_count += is_tensor(arg.type) ? 1 : 0;
  numbers_[entry.schema.name][entry.schema.overload].push_back(entries_.size() - 1);
  if (schemas_.find(entry.schema.name, entry.schema.overload) == nullptr) schemas_.add(entry.schema);
  return entry;
}

ElementwiseInfo& Registry::describe(Entry& entry, std::size_t parameters, std::size_t partials) {
  ElementwiseInfo& info = infos_.emplace_back();
  if (entry.schema.args.front().type == ArgType::tensor && entry.variant_value.empty()) {
    schemas_.add(in_place_twin(entry.schema));
  }
  std::uint8_t tensors = 0;
  std::uint8_t others = 0;
  // An integer is one where the formulas take it: polygamma's order.
  std::size_t numbers = 0;
  for (const SchemaArg& arg : entry.schema.args) numbers += is_tensor(arg.type) || arg.type == ArgType::scalar ? 1 : 0;
  const bool with_integers = numbers < parameters;
  for (const SchemaArg& arg : entry.schema.args) {
    if (is_tensor(arg.type)) {
      info.parameters.at(info.parameter_count++) = {true, tensors++, 0};
    } else if (arg.type == ArgType::scalar || (with_integers && arg.type == ArgType::integer)) {
      const double if_none = arg.name == "min" ? -infinity : infinity;
      info.parameters.at(info.parameter_count++) = {false, others++, if_none};
    } else {
      ++others;
    }
  }
  info.tensor_count = tensors;
  if (info.parameter_count != parameters || info.tensor_count != partials) {
    throw std::logic_error("the record of " + entry.id() + " has formulas of " + std::to_string(parameters) +
                           " parameters and " + std::to_string(partials) + " partials");
  }
  return info;
}

const std::vector<std::size_t>& Registry::find(std::string_view name, std::string_view overload) const {
  static const std::vector<std::size_t> none;
  const auto named = numbers_.find(name);
  if (named == numbers_.end()) return none;
  const auto found = named->second.find(overload);
  return found == named->second.end() ? none : found->second;
}

void Registry::finish() {
  std::apply([this](auto&... catalogue) { (catalogue.link(entries_), ...); }, catalogues_);
}

const Registry& Registry::standard() {
  static const std::unique_ptr<const Registry> made = [] {
    auto registry = std::make_unique<Registry>();
    add_all_families(*registry);
    registry->finish();
    return registry;
  }();
  return *made;
}

}  // namespace gradproof
