"""Grading: a student's answers, asked by the project's own checks, in a process of the student's own.

lessons       the project's side of a notebook: set-up, exercises, checks
submissions   the student's side: which lesson it is, which cells answer which exercise
grade         a row for each exercise of each notebook; the table and the CSV
judge         runs the checks; never a student's code
room          runs a student's code; never a check
wire          what passes between the two: plain values one way, never pickled ones
walls         what a room is kept from, as far as the system lets us
"""
