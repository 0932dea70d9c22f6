"""Everything that the pages do, for programs: JSON over HTTP, by Django REST framework."""
