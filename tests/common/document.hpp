// SPDX-License-Identifier: MIT
// Files of results, and the documents that get tables from them.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace xvsock::tests {

/// Reads a JSON file. Throws std::exception that names it.
boost::json::value read_json(const std::string& file);

/// Writes a file as a whole: whoever reads it sees the old or the new content. Throws std::runtime_error.
void write_file(const std::string& name, const std::string& text);

/// Puts text between the lines "<!-- NAME -->" and "<!-- end of NAME -->" of a document. Throws
/// std::invalid_argument when it has no such lines.
std::string replace_region(std::string_view document, const std::string& name, const std::string& text);

/// The same in a file, which is left alone when it says so already. Says on standard output what was done.
void update_document(const std::string& file, const std::string& name, const std::string& text);

} // namespace xvsock::tests
