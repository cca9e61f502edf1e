# Puts a page's parts together, as two C++ strings: what stands before its data and what follows.
#   cmake -D folder=DIR -D scripts=a.js,b.js -D output=FILE -P EmbedPage.cmake
# The page may run these scripts and use this style, named by their hashes, and nothing else: no
# network, no other script that a hostile file might have brought in.

# Base64 of hexadecimal digits.
function(to_base64 hex result)
  set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  string(LENGTH "${hex}" length)
  set(text "")
  foreach(start RANGE 0 ${length} 6)
    string(SUBSTRING "${hex}" ${start} 6 digits)
    string(LENGTH "${digits}" count)
    if(count EQUAL 0)
      break()
    endif()
    string(SUBSTRING "${digits}0000" 0 6 whole)
    math(EXPR characters "${count} / 2 + 1")
    foreach(shift 18 12 6 0)
      if(characters GREATER 0)
        math(EXPR index "(0x${whole} >> ${shift}) & 63")
        string(SUBSTRING "${alphabet}" ${index} 1 character)
        string(APPEND text "${character}")
      else()
        string(APPEND text "=")
      endif()
      math(EXPR characters "${characters} - 1")
    endforeach()
  endforeach()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

# The hash source of a Content-Security-Policy.
function(hash_source text result)
  string(SHA256 hex "${text}")
  to_base64("${hex}" base64)
  set(${result} "'sha256-${base64}'" PARENT_SCOPE)
endfunction()

string(REPLACE "," ";" scripts "${scripts}")
set(script "\n")
foreach(name IN LISTS scripts)
  file(READ "${folder}/${name}" part)
  string(APPEND script "${part}")
endforeach()
file(READ "${folder}/page.css" style)
file(READ "${folder}/page.html" page)
foreach(text IN ITEMS script style)
  if("${${text}}" MATCHES "</script|</style|<!--|\\)page\"")
    message(FATAL_ERROR "the page's ${text} holds '${CMAKE_MATCH_0}', which would end it")
  endif()
endforeach()

hash_source("${script}" script_hash)
hash_source("${style}" style_hash)
set(policy "default-src 'none'; script-src ${script_hash}; style-src ${style_hash}")
string(APPEND policy "; base-uri 'none'; form-action 'none'")
foreach(part IN ITEMS policy style script)
  string(REPLACE "{{${part}}}" "${${part}}" page "${page}")
endforeach()

string(FIND "${page}" "{{data}}" middle)
string(SUBSTRING "${page}" 0 ${middle} before)
math(EXPR middle "${middle} + 8")
string(SUBSTRING "${page}" ${middle} -1 after)
file(WRITE "${output}.new" "#include \"graph_page.h\"

namespace torchship::cli {

const std::string_view kPageBeforeData = R\"page(${before})page\";
const std::string_view kPageAfterData = R\"page(${after})page\";

}  // namespace torchship::cli
")
file(RENAME "${output}.new" "${output}")
