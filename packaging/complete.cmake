# SPDX-License-Identifier: MIT
# Run by cpack when all is in its place: what Debian wants of packages. Manual pages are compressed, and there is a changelog.
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(GLOB documents ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*)
foreach(folder ${documents})
  file(WRITE ${folder}/changelog "xvsock (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium\n\n"
    "  * The history of the sources says what has changed.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
endforeach()
file(GLOB texts ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/man[1-9]/*.[1-9]
  ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*/changelog)
execute_process(COMMAND gzip -9n ${texts} COMMAND_ERROR_IS_FATAL ANY)
