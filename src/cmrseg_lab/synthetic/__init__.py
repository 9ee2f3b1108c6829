"""Labelled synthetic hearts: known truth, no licence, no data needed.

From the inside out: ``anatomy`` draws a heart of a disease, ``profiles`` holds the curves it is
made of, ``surfaces`` turns it into signed distances, ``grain`` holds what stays the
same over the cycle, ``cardiac`` and ``body`` paint all this with the tissues of ``contrast``,
``views`` says where slices lie, ``exam`` and ``scanner`` make images of them in a ``styles`` with
``artefacts``. ``patient.draw_patient`` is the way in for training, ``synthesize.synthesize`` writes
folders in the challenges' layouts, ``reformat`` and ``implant`` make new labelled images out of the
user's own.
"""
