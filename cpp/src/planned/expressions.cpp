#include "planned/expressions.h"

#include <algorithm>
#include <optional>

namespace torchship {
namespace {

using compute::Operation;

/// A simpler form of the group's members: a product that one sum alone uses is a part of it.
class Simplifier {
 public:
  Simplifier(std::vector<Pending> members, const std::vector<ValueId>& stored)
      : members_(std::move(members)), stored_(stored.begin(), stored.end()) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      makers_[members_[i].result] = i;
      for (const Term& term : members_[i].terms) {
        if (term.kind == Term::Kind::value) ++uses_[term.value];
      }
    }
  }

  std::vector<Pending> run() {
    std::vector<bool> gone(members_.size());
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (const auto merged = merge(members_[i])) gone[*merged] = true;
    }
    std::vector<Pending> kept;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!gone[i]) kept.push_back(std::move(members_[i]));
    }
    return kept;
  }

 private:
  /// The member that made a term, if this is its only use.
  std::optional<std::size_t> single(const Term& term) const {
    if (term.kind != Term::Kind::value || stored_.contains(term.value)) return std::nullopt;
    const auto made = makers_.find(term.value);
    if (made == makers_.end() || uses_.at(term.value) != 1) return std::nullopt;
    return made->second;
  }

  std::optional<std::size_t> merge(Pending& sum) {
    if (sum.operation == Operation::affine && sum.first == 1) {
      const auto product = single(sum.terms[0]);
      if (!product || members_[*product].operation != Operation::affine ||
          members_[*product].second != 0) {
        return std::nullopt;
      }
      sum.first = members_[*product].first;
      sum.terms = members_[*product].terms;
      return product;
    }
    if (sum.operation != Operation::add) return std::nullopt;
    for (std::size_t k = 0; k < 2; ++k) {
      const auto product = single(sum.terms[k]);
      if (!product || members_[*product].operation != Operation::multiply) continue;
      const Term other = sum.terms[1 - k];
      sum.operation = Operation::multiply_add;
      sum.terms = members_[*product].terms;
      sum.terms.push_back(other);
      return product;
    }
    return std::nullopt;
  }

  std::vector<Pending> members_;
  std::set<ValueId> stored_;
  std::map<ValueId, std::size_t> makers_;
  std::map<ValueId, int> uses_;
};

/// Gives values their registers.
class Allocation {
 public:
  Allocation(const std::vector<Pending>& members, const std::vector<ValueId>& stored,
             CompiledExpressions& made)
      : made_(made) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      for (const Term& term : members[i].terms) note_term(term, i);
      own_.insert(members[i].result);
    }
    for (const ValueId value : stored) last_use_[value] = members.size();
    for (const Pending& member : members) {
      for (const Term& term : member.terms) add_outside(term);
    }
    for (const float number : made_.program.constants) {
      constants_[number_key(number)] = next_++;
    }
  }

  std::uint8_t of(const Term& term) const {
    return term.kind == Term::Kind::number ? constants_.at(number_key(term.number))
                                           : registers_.at(term.value);
  }
  std::uint8_t of(ValueId value) const { return registers_.at(value); }

  /// For a result of the member at `index`, whose operands are read while it is written.
  std::uint8_t assign(const Pending& member, std::size_t index) {
    for (const Term& term : member.terms) {
      if (term.kind != Term::Kind::value || !own_.contains(term.value)) continue;
      if (last_use_.at(term.value) == index) free_.insert(registers_.at(term.value));
    }
    std::uint8_t where = next_;
    if (free_.empty()) {
      ++next_;
    } else {
      where = *free_.begin();
      free_.erase(free_.begin());
    }
    return registers_[member.result] = where;
  }

  int count() const { return next_; }

 private:
  static std::uint32_t number_key(float number) {
    std::uint32_t bits = 0;
    static_assert(sizeof(bits) == sizeof(number));
    __builtin_memcpy(&bits, &number, sizeof(bits));
    return bits;
  }

  void note_term(const Term& term, std::size_t index) {
    if (term.kind == Term::Kind::value) last_use_[term.value] = index;
  }

  void add_outside(const Term& term) {
    if (term.kind == Term::Kind::number) {
      auto& constants = made_.program.constants;
      const bool known = std::any_of(constants.begin(), constants.end(), [&](float each) {
        return number_key(each) == number_key(term.number);
      });
      if (!known) constants.push_back(term.number);
    } else if (!own_.contains(term.value) && !registers_.contains(term.value)) {
      made_.inputs.push_back(term.value);
      registers_[term.value] = next_++;
    }
  }

  CompiledExpressions& made_;
  std::set<ValueId> own_;
  std::map<ValueId, std::size_t> last_use_;
  std::map<ValueId, std::uint8_t> registers_;
  std::map<std::uint32_t, std::uint8_t> constants_;
  std::set<std::uint8_t> free_;
  std::uint8_t next_ = 0;
};

}  // namespace

Expressions::Group Expressions::find(ValueId value) const {
  const auto found = groups_.find(value);
  return found == groups_.end() ? nullptr : found->second;
}

void Expressions::add(Pending pending, const std::vector<std::int64_t>& sizes) {
  Group group;
  for (const Term& term : pending.terms) {
    if (term.kind != Term::Kind::value) continue;
    const Group other = find(term.value);
    if (!other || other == group) continue;
    if (!group) {
      group = other;
      continue;
    }
    for (Pending& member : other->members) {
      groups_[member.result] = group;
      group->members.push_back(std::move(member));
    }
    group->inputs.insert(other->inputs.begin(), other->inputs.end());
  }
  if (!group) {
    group = std::make_shared<ExpressionGroup>();
    group->sizes = sizes;
  }
  for (const Term& term : pending.terms) {
    if (term.kind == Term::Kind::value && find(term.value) == nullptr)
      group->inputs.insert(term.value);
  }
  groups_[pending.result] = group;
  group->members.push_back(std::move(pending));
}

void Expressions::remove(const Group& group) {
  for (const Pending& member : group->members) groups_.erase(member.result);
}

CompiledExpressions compile(const ExpressionGroup& group, const std::vector<ValueId>& stored) {
  const std::vector<Pending> members = Simplifier(group.members, stored).run();
  CompiledExpressions made;
  Allocation registers(members, stored, made);
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Pending& member = members[i];
    compute::Instruction instruction{
        .operation = member.operation, .first = member.first, .second = member.second};
    std::uint8_t* const operands[] = {&instruction.a, &instruction.b, &instruction.c};
    for (std::size_t k = 0; k < member.terms.size(); ++k)
      *operands[k] = registers.of(member.terms[k]);
    instruction.result = registers.assign(member, i);
    made.program.instructions.push_back(instruction);
  }
  made.program.inputs = static_cast<int>(made.inputs.size());
  made.program.registers = registers.count();
  for (const ValueId value : stored) made.program.results.push_back(registers.of(value));
  return made;
}

}  // namespace torchship
