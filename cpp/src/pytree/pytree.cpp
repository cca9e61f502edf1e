#include "pytree/pytree.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <torchship/error.h>

#include "key_text.h"
#include "manifest/field.h"
#include "manifest/json.h"
#include "torchscript/types.h"

namespace torchship {
namespace {

bool is_identifier(const std::string& name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), [](unsigned char letter) {
           return std::isalnum(letter) != 0 || letter == '_';
         });
}

class TreeReader {
 public:
  TreeReader(const std::string& place, const TupleFields& fields)
      : place_(place), fields_(fields) {}

  Pytree read(const Field& node) const {
    Pytree tree;
    const Field type = node["type"];
    if (type.is_null()) return tree;
    for (const Field& child : node["children_spec"].items()) tree.children.push_back(read(child));
    const std::string& name = type.string();
    const Json context = context_of(node);
    if (name == "builtins.list" || name == "collections.deque" ||
        name == "torch.fx.immutable_collections.immutable_list") {
      tree.kind = Pytree::Kind::list;
    } else if (name == "builtins.tuple") {
      tree.kind = Pytree::Kind::tuple;
    } else if (name == "collections.namedtuple") {
      tree.kind = Pytree::Kind::tuple;
      if (context.is_string()) name_fields(context.get<std::string>(), tree);
    } else {
      read_named(name, context, tree);
    }
    const bool is_dict = tree.kind == Pytree::Kind::dict;
    if ((is_dict || !tree.keys.empty()) && tree.keys.size() != tree.children.size()) {
      node.refuse("its names and its members do not match");
    }
    return tree;
  }

 private:
  /// JSON in JSON, in most cases.
  Json context_of(const Field& node) const {
    const Field context = node["context"];
    if (!context.is_string()) return {};
    try {
      return parse_json(context.string(), place_, kManifestLimits);
    } catch (const ArchiveError&) {
      return context.string();  // A class that writes it in its own way.
    }
  }

  void read_named(const std::string& name, const Json& context, Pytree& tree) const {
    const bool is_default_dict = context.is_object() && context.contains("dict_context");
    const Json& keys = is_default_dict ? context["dict_context"] : context;
    tree.kind = Pytree::Kind::tuple;
    if (name != "builtins.dict" && name != "collections.OrderedDict" && !is_default_dict &&
        name != "torch.fx.immutable_collections.immutable_dict") {
      tree.class_name = name;
    }
    const bool names_all = keys.is_array() && keys.size() == tree.children.size();
    if (!names_all || (keys.empty() && !tree.class_name.empty())) return;
    std::vector<Value> read;
    for (const Json& key : keys) {
      if (key.is_string()) read.emplace_back(key.get<std::string>());
      else if (key.is_boolean()) read.emplace_back(key.get<bool>());
      else if (key.is_number_integer()) read.emplace_back(key.get<std::int64_t>());
      else return;
      if (read.back().kind() != read.front().kind()) {
        throw ArchiveError(place_ + ": a dict at its boundary has keys of several types",
                           "use keys of one type: strings, integers or bools");
      }
    }
    tree.kind = Pytree::Kind::dict;
    tree.keys = std::move(read);
  }

  void name_fields(const std::string& class_name, Pytree& tree) const {
    const auto known = fields_.find(class_name);
    if (known == fields_.end() || known->second.size() != tree.children.size()) return;
    if (!std::all_of(known->second.begin(), known->second.end(), is_identifier)) return;
    tree.class_name = class_name;
    for (const std::string& field : known->second) tree.keys.emplace_back(field);
  }

  const std::string& place_;
  const TupleFields& fields_;
};

std::vector<ValueSpec> without_names(std::vector<ValueSpec> members) {
  for (ValueSpec& member : members) member.name.clear();
  return members;
}

/// What a list, or the values of a dict, are said to hold.
ValueSpec common_item(const std::vector<ValueSpec>& members) {
  ValueSpec item;
  if (members.empty()) {
    item.kind = Kind::tensor;
    item.type = "Tensor";
    return item;
  }
  const bool same = std::all_of(members.begin(), members.end(), [&](const ValueSpec& member) {
    return member.type == members.front().type;
  });
  if (!same) {
    item.type = "Any";
    return item;
  }
  item = without_names({members.front()}).front();
  // Only what the type says: each member has promises of its own.
  item.dtype.reset();
  item.shape.reset();
  item.members.reset();
  item.constant.reset();
  return item;
}

}  // namespace

Pytree parse_pytree(const std::string& text, const std::string& place, const TupleFields& fields) {
  const Json json = parse_json(text, place, kManifestLimits);
  const std::vector<Field> parts = Field(json, place).items();
  if (parts.size() != 2) throw ArchiveError(place + ": is no tree of containers");
  return TreeReader(place, fields).read(parts[1]);
}

ValueSpec spec_of(const Pytree& tree, const std::function<ValueSpec()>& leaf) {
  if (tree.kind == Pytree::Kind::leaf) return leaf();
  ValueSpec spec;
  spec.members.emplace();
  for (std::size_t i = 0; i < tree.children.size(); ++i) {
    spec.members->push_back(spec_of(tree.children[i], leaf));
    if (!tree.keys.empty()) {
      const Value& key = tree.keys[i];
      spec.members->back().name = key.kind() == Kind::string ? key.string() : key_text(key);
    }
  }
  switch (tree.kind) {
    case Pytree::Kind::list:
      spec.kind = Kind::list;
      spec.items = {common_item(*spec.members)};
      break;
    case Pytree::Kind::dict:
      spec.kind = Kind::dict;
      spec.items.emplace_back();
      spec.items[0].kind = tree.keys.empty() ? Kind::string : tree.keys.front().kind();
      spec.items[0].type = spec.items[0].kind == Kind::string    ? "str"
                           : spec.items[0].kind == Kind::boolean ? "bool"
                                                                 : "int";
      spec.items.push_back(common_item(*spec.members));
      break;
    default:
      spec.kind = Kind::tuple;
      spec.items = *spec.members;
      if (!tree.class_name.empty() && !tree.keys.empty()) {
        spec.type = tree.class_name;  // Of a named tuple.
      }
      break;
  }
  spec.type = type_of(spec)->annotation_str();
  return spec;
}

}  // namespace torchship
