# SPDX-License-Identifier: MIT
# Guests go and come, one at a time, under other names, too; and what follows from it.
starts g3 recreate g3
settled "destroying g3 and creating it anew"
starts g4 xl reboot -F g4
settled "a reboot of g4"
starts g5 crash g5
settled "a crash of g5"

# A paused domain keeps its links.
xl pause g6
sleep 1
only_these_halves $(halves) || fail "a paused domain has lost links"
xl unpause g6

# Under another name it is another one to the policy, but to rules by its UUID.
unlinked() { at g1 "vsock-reach within 20 $(cid_of "$1"):7000=no-link"; }
xl rename g3 elsewhere
unlinked g3 || fail "g3 is linked under another name"
xl rename elsewhere g3
xl rename g6 elsewhere
at g1 "vsock-reach within 20 $(cid_of g6):7000=talks $(cid_of g6):7002=talks" || fail "a rule by UUID went with the name: $output"
xl rename elsewhere g6
settled "renaming"
