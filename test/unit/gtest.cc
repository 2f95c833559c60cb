// SPDX-License-Identifier: MIT
// What the precompiled header of the unit tests is made with.
