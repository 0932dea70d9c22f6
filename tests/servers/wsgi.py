"""What servers of WSGI call."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
